//! The demo before a real site: where the site is, and how it is reached.

use std::net::SocketAddr;

use latchkey_edge::{EdgeConfig, ProbeError, probe};
use url::Url;

use crate::{cli::Demo, commands::edge::read_ca};

/// A site that knows nothing of the demo before it.
pub(super) struct RealSite {
    /// Scheme, host and port, with the path `/`.
    pub(super) origin: Url,
    /// What its readers would otherwise be the first to notice.
    finding: Option<String>,
    ca: Option<String>,
    address: Option<SocketAddr>,
}

impl RealSite {
    /// Asks the site where it really is, since many lead from their bare host to `www.`, or the other way, and from http to https.
    /// A site that gives no answer is no reason not to start: it may come later.
    ///
    /// `None` if the demo was asked for its own site.
    pub(super) async fn find(options: &Demo) -> anyhow::Result<Option<Self>> {
        let Some(named) = &options.origin else { return Ok(None) };
        let mut named: Url = named.origin().ascii_serialization().parse()?;
        let ca = options.origin_ca.as_deref().map(read_ca).transpose()?;
        let address = options.origin_address;
        let finding = match probe(&named, ca.as_deref(), address).await {
            Ok(found) if found == named => None,
            Ok(found) => {
                let finding = format!("{named} leads to {found}: the demo stands before that.");
                named = found;
                Some(finding)
            }
            Err(ProbeError::Setup(why)) => return Err(why.into()),
            Err(why @ (ProbeError::Elsewhere { .. } | ProbeError::Endless { .. })) => Some(why.to_string()),
            // Where it leads is known only once it answers.
            Err(why) => Some(format!(
                "{why}\nIts pages say so too; start the demo again when this is mended."
            )),
        };
        Ok(Some(Self {
            origin: named,
            finding,
            ca,
            address,
        }))
    }

    /// Makes an edge one that stands before this site.
    pub(super) fn apply(&self, settings: &mut EdgeConfig) {
        settings.origin_rewrite = true;
        settings.origin_ca.clone_from(&self.ca);
        settings.origin_address = self.address;
    }

    /// Says what was found, if it is worth a line.
    pub(super) fn announce(&self) {
        if let Some(finding) = &self.finding {
            println!("  {}\n", finding.replace('\n', "\n  "));
        }
    }
}
