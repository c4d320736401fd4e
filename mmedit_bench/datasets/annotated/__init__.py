"""Data sets that come as annotation files and folders of pictures, which somebody has to fetch first."""
