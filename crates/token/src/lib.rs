//! Claims to a signed pass (JWT) and back; keys, their states, JWKS.
