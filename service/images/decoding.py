"""Images that a client sends in files: decoded as every image is, refused in the words of HTTP."""

from model_store.images import DamagedImage, DecodedImage, ImageError, ImageTooLarge, UnsupportedImage
from model_store.images import decode_image as decode
from service.errors import Malformed, ServiceError, TooLarge, Unsupported
from service.images.pixels import Shape

_ANSWERS: dict[type[ImageError], type[ServiceError]] = {
    DamagedImage: Malformed,
    UnsupportedImage: Unsupported,
    ImageTooLarge: TooLarge,
}


def decode_image(data: bytes, *, shape: Shape, max_pixels: int, where: str = "image") -> DecodedImage:
    """`model_store.images.decode_image` with the service's errors.

    Raises:
        Malformed: empty, truncated or damaged.
        Unsupported: another format, or an animation.
        TooLarge: more pixels than allowed, or more parts than pictures have.
    """
    try:
        return decode(data, shape=shape, max_pixels=max_pixels, where=where)
    except ImageError as error:
        raise _ANSWERS[type(error)](str(error)) from error
