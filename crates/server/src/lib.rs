//! The account origin: reader pages, API, webhooks, mail.
