//! Changes HTML: rules and filter lists, stripping, calls.
