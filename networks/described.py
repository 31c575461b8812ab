"""What all descriptions have in common."""

from pydantic import BaseModel, ConfigDict


class Described(BaseModel):
    """A frozen, hashable piece of description that refuses unknown fields.

    Parts are validated again when they are put into a whole: ``model_copy`` does not validate.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", revalidate_instances="always", allow_inf_nan=False
    )
