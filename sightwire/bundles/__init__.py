"""Model bundles: versioned folders with everything that turns texts and pictures into vectors of one space."""

from sightwire.bundles.loading import BUNDLE_FILE, Bundle, BundleError, file_sha256, load_bundle
from sightwire.bundles.spec import BundleSpec

__all__ = ["BUNDLE_FILE", "Bundle", "BundleError", "BundleSpec", "file_sha256", "load_bundle"]
