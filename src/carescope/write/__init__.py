"""Write images: casting, OME-TIFF."""
