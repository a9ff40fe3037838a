//! Settings that the program makes itself, and the version of the bundle.

use crate::{Store, StoreError, database::value::args};

impl Store {
    /// A setting.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read()
            .await?
            .row(GET, args![name])
            .await?
            .map(|row| row.text("value"))
            .transpose()
    }

    /// Keeps a setting, in place of what was there.
    pub async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.change(PUT, args![name, value]).await.map(drop)
    }

    /// Keeps a setting if there is none, and answers with what counts: of several servers that start at once, all get the same.
    pub async fn put_setting_if_absent(&self, name: &str, value: &str) -> Result<String, StoreError> {
        let mut link = self.write().await?;
        link.execute(PUT_IF_ABSENT, args![name, value]).await?;
        let value = link.one(GET, args![name]).await?.text("value")?;
        link.commit().await?;
        Ok(value)
    }

    /// Replaces a setting that still is `old`, where `None` is that there is none; false if it was changed meanwhile.
    pub async fn replace_setting(&self, name: &str, old: Option<&str>, new: &str) -> Result<bool, StoreError> {
        match old {
            None => self.change(PUT_IF_ABSENT, args![name, new]).await,
            Some(old) => self.change(REPLACE, args![name, old, new]).await,
        }
    }

    /// The version of the bundle whose content has this hash: one more than before if the content differs from the last one's.
    pub async fn bump_bundle_version(&self, content_hash: &str) -> Result<u64, StoreError> {
        let mut link = self.write().await?;
        let version = link
            .one(BUNDLE_VERSION, args![content_hash])
            .await?
            .count("counter", "value")?;
        link.commit().await?;
        Ok(version)
    }
}

crate::statements! {
    GET = "SELECT value FROM setting WHERE name = $1";
    PUT = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2";
    PUT_IF_ABSENT = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    REPLACE = "UPDATE setting SET value = $3 WHERE name = $1 AND value = $2";
    BUNDLE_VERSION = "UPDATE counter SET value = CASE WHEN content = $1 THEN value ELSE value + 1 END, content = $1 \
        WHERE name = 'bundle' RETURNING value";
}
