//! The account origin: where readers pay, sign in and see what they have, and where edges fetch what they need.
//!
//! [`Server`] is an [`axum::Router`] over real parts ([`Parts`]). A handler extracts, loads, lets a pure crate decide,
//! saves, and answers. Pages work without JavaScript; forms are guarded by a token and by the browser's own
//! account of where a request came from.

mod browser;
mod config;
mod effects;
mod entitled;
mod extract;
mod feed;
mod keys;
mod letters;
mod mail;
mod network;
mod operator;
mod problem;
mod reader;
mod routes;
mod secrets;
mod server;
mod sign_in;
mod target;
mod view;

pub use config::ServerConfig;
pub use keys::{Keys, KeysError};
pub use latchkey_token::Secret;
pub use mail::{Letter, MAX_LETTERS, Mail, MailError, Mailer, MemoryMailbox, SmtpConfig, SmtpMailer, SmtpSecurity};
pub use problem::Problem;
pub use secrets::hash;
pub use server::{MAX_STREAMS, Parts, Server};
