"""The platforms, one file each: see platform_base.Platform."""
