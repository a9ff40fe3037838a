//! A page that was written for another host than the one it is shown on.

use lol_html::{HtmlRewriter, Settings, element};

/// Entities that policies in attributes are written with.
const ENTITIES: [(&str, &str); 6] = [
    ("&#39;", "'"),
    ("&#039;", "'"),
    ("&#x27;", "'"),
    ("&apos;", "'"),
    ("&quot;", "\""),
    ("&amp;", "&"),
];

/// The page with its `<meta>` content security policies passed through `policy`, which gives `None` for one of which nothing is left;
/// and without the checksums (Subresource Integrity) of what is loaded from an address that `is_here` knows, since what is shown
/// there is not what they were made of.
///
/// `None` if the markup cannot be followed.
pub fn rehost(html: &[u8], policy: impl Fn(&str) -> Option<String>, is_here: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(html.len());
    let settings = Settings::new()
        .append_element_content_handler(element!("meta[http-equiv][content]", |meta| {
            let name = meta.get_attribute("http-equiv").unwrap_or_default();
            if name.trim().eq_ignore_ascii_case("content-security-policy") {
                let content = unescaped(meta.get_attribute("content").unwrap_or_default());
                match policy(&content) {
                    Some(content) => meta.set_attribute("content", &content)?,
                    None => meta.remove(),
                }
            }
            Ok(())
        }))
        .append_element_content_handler(element!("script[integrity], link[integrity]", |loading| {
            let address = loading.get_attribute("src").or_else(|| loading.get_attribute("href"));
            if is_here(address.unwrap_or_default().trim()) {
                loading.remove_attribute("integrity");
            }
            Ok(())
        }));
    let mut rewriter = HtmlRewriter::new(settings, |bytes: &[u8]| out.extend_from_slice(bytes));
    rewriter.write(html).ok()?;
    rewriter.end().ok()?;
    Some(out)
}

fn unescaped(mut text: String) -> String {
    for (entity, meant) in ENTITIES {
        text = text.replace(entity, meant);
    }
    text
}
