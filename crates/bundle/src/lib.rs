//! The bundle an edge works from, and the revocation feed.
