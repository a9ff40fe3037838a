//! What a browser shows in the end.

use reqwest::StatusCode;
use url::Url;

use crate::newspaper::{AD_MARKS, ARTICLE_ENDS};

/// A page, after every redirect was followed.
#[derive(Debug)]
pub struct Page {
    /// Where the browser ended.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its text.
    pub body: String,
}

impl Page {
    /// How many of the origin's ads a reader of this article sees. Fails if it is no article, or not a whole one.
    #[track_caller]
    pub fn ads(&self) -> usize {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        for words in ARTICLE_ENDS {
            assert!(
                self.body.contains(words),
                "`{words}` is missing from the article: {self:?}"
            );
        }
        AD_MARKS.iter().map(|mark| self.body.matches(mark).count()).sum()
    }

    /// Whether it says `words`.
    pub fn says(&self, words: &str) -> bool {
        self.body.contains(words)
    }

    /// The hidden fields of the form that is sent to `action`. Fails if there is none.
    #[track_caller]
    pub fn form(&self, action: &str) -> Vec<(String, String)> {
        let begin = format!("action=\"{action}\"");
        let at = self.body.find(&begin);
        let at = at.unwrap_or_else(|| panic!("no form to {action} in {self:?}"));
        let form = &self.body[at..];
        let form = &form[..form.find("</form>").expect("a form ends")];
        let hidden = form.split("<input type=\"hidden\" name=\"").skip(1);
        hidden
            .map(|rest| {
                let (name, rest) = rest.split_once("\" value=\"").expect("a hidden field has a value");
                let value = rest.split('"').next().unwrap_or_default();
                (name.to_owned(), unescaped(value))
            })
            .collect()
    }
}

/// Takes back what askama's HTML escaping did.
fn unescaped(text: &str) -> String {
    let pairs = [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
