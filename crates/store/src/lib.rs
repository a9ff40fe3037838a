//! Keeps everything; alone has SQL.
