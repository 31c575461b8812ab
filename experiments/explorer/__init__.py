"""A local page to play with: what a network does through time, clean beside perturbed.

`offer` says what can be chosen in a finished run, `scene` computes what is shown of one choice,
`view` draws a scene with Bokeh (time, epsilon and pathways follow in the browser alone), and
`server` shows the view beside the choosers. The same view is exported as a file.
"""
