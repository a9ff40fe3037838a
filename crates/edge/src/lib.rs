//! The proxy on the site's host.
