"""What is wired to what: areas, projections, wirings, their derivations, catalogue, physiology."""

import lazy_loader

# what __init__.pyi lists, looked up when asked for, so that the command line starts soon
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
