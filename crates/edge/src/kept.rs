//! What is kept on disk, so that an edge starts while the server is down: the last good bundle, as it was signed, and the
//! revocations, without which a start during an outage would honour passes that were revoked.

use std::{
    collections::HashSet,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use latchkey_bundle::{MAX_BUNDLE_BYTES, Revocation, RevocationPage};
use latchkey_entitlement::Timestamp;

use crate::limits::MAX_KEPT_REVOCATIONS_BYTES;

const BUNDLE: &str = "bundle.jws";
const REVOCATIONS: &str = "revocations.json";

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Kept(PathBuf);

impl Kept {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn bundle_file(&self) -> PathBuf {
        self.0.join(BUNDLE)
    }

    fn read(&self, name: &str, max: usize) -> io::Result<Option<String>> {
        let file = self.0.join(name);
        match std::fs::metadata(&file) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
            Ok(data) if data.len() > max as u64 => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"))
            }
            Ok(_) => std::fs::read_to_string(file).map(Some),
        }
    }

    /// Written beside and renamed, so that a crash leaves the old one or the new one.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let beside = self.0.join(format!("{name}.new"));
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(beside, self.0.join(name))
    }

    pub(crate) fn bundle(&self) -> io::Result<Option<String>> {
        self.read(BUNDLE, MAX_BUNDLE_BYTES)
    }

    pub(crate) fn keep_bundle(&self, jws: &str) -> io::Result<()> {
        self.write(BUNDLE, jws.as_bytes())
    }

    pub(crate) fn revocations(&self) -> io::Result<Option<RevocationPage>> {
        let text = self.read(REVOCATIONS, MAX_KEPT_REVOCATIONS_BYTES)?;
        text.map(|text| serde_json::from_str(&text).map_err(io::Error::from))
            .transpose()
    }

    /// Adds `news` to the file, less what has expired at `now`; `last` is the number after which the feed is to be asked.
    pub(crate) fn add_revocations(&self, news: Vec<Revocation>, last: u64, now: Timestamp) -> io::Result<()> {
        let mut page = self.revocations().ok().flatten().unwrap_or_default();
        let replaced: HashSet<u64> = news.iter().map(|new| new.number).collect();
        page.entries
            .retain(|old| old.expires_at > now && !replaced.contains(&old.number));
        page.entries.extend(news);
        page.last = last;
        page.complete = true;
        self.write(REVOCATIONS, &serde_json::to_vec(&page)?)
    }
}
