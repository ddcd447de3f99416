"""Files of pictures without what is not pixels: one module a format, each with the function ``contents``.

Metadata costs pictures (a broken EXIF tag, a long text, a profile that Pillow refuses), is a place to hide bombs in,
and is of no use here but for the orientation. So it is left out before a decoder sees the file. On the way the modules
learn what there is to decode.
"""
