"""A policy by its name in the settings."""

from typing import Literal

from sightwire.cache.policies.adaptive_replacement import AdaptiveReplacement
from sightwire.cache.policies.least_frequently_used import LeastFrequentlyUsed
from sightwire.cache.policies.least_recently_used import LeastRecentlyUsed
from sightwire.cache.policies.policy import EvictionPolicy
from sightwire.cache.policies.soonest_expiry import SoonestExpiry

PolicyName = Literal["lru", "lfu", "ttl", "adaptive"]


def create_policy(name: PolicyName, max_bytes: int) -> EvictionPolicy:
    """The policy of that name for a level of `max_bytes`."""
    match name:
        case "lru":
            return LeastRecentlyUsed()
        case "lfu":
            return LeastFrequentlyUsed()
        case "ttl":
            return SoonestExpiry()
        case "adaptive":
            return AdaptiveReplacement(max_bytes)
