//! The names under which the parts of the demo are reached, all on one port.

/// The authority (`name:port`) of each part of the demo.
#[derive(Debug, Clone)]
pub(crate) struct DemoHosts {
    /// The page that says where to look.
    pub(crate) front: String,
    /// The account origin.
    pub(crate) account: String,
    /// The news site as a reader sees it, which is the edge and not the origin behind it.
    pub(crate) site: String,
    /// The ad server that counts.
    pub(crate) ads: String,
    /// The tag manager.
    pub(crate) tags: String,
    /// The analytics server.
    pub(crate) stats: String,
    /// The pages of the Stripe sandbox.
    pub(crate) stripe: String,
    /// The mailbox.
    pub(crate) mail: String,
}

impl DemoHosts {
    /// The demo's names on `port`. Browsers resolve every `*.localhost` name to this machine by themselves.
    pub(crate) fn on_port(port: u16) -> Self {
        Self {
            front: format!("localhost:{port}"),
            account: format!("account.localhost:{port}"),
            site: format!("news.localhost:{port}"),
            ads: format!("ads.localhost:{port}"),
            tags: format!("tags.localhost:{port}"),
            stats: format!("stats.localhost:{port}"),
            stripe: format!("stripe.localhost:{port}"),
            mail: format!("mail.localhost:{port}"),
        }
    }

    /// The values that the templates under `assets/` may name.
    pub(crate) fn values(&self) -> [(&'static str, &str); 8] {
        [
            ("front", &self.front),
            ("account", &self.account),
            ("site", &self.site),
            ("ads", &self.ads),
            ("tags", &self.tags),
            ("stats", &self.stats),
            ("stripe", &self.stripe),
            ("mail", &self.mail),
        ]
    }
}
