"""The routes, by what they are about. They translate between HTTP and the gateway's parts, and decide nothing."""
