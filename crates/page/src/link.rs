//! The `Link` header (RFC 8288): hints to ad hosts go, everything else stays.

use crate::Compiled;

/// The header without the links that lead to ads; none if nothing is left.
pub fn link_header(compiled: &Compiled, value: &str, page_url: &str) -> Option<String> {
    let kept: Vec<&str> = links(value)
        .into_iter()
        .filter(|link| {
            let address = link
                .split_once('<')
                .and_then(|(_, rest)| rest.split_once('>'))
                .map(|(address, _)| address);
            !address.is_some_and(|address| compiled.is_ad_url(address, page_url))
        })
        .collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

/// Splits at commas outside angle brackets and quotes.
fn links(value: &str) -> Vec<&str> {
    let (mut links, mut start, mut angle, mut quoted) = (Vec::new(), 0, false, false);
    for (at, c) in value.char_indices() {
        match c {
            '"' if !angle => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            ',' if !angle && !quoted => {
                links.extend(value.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    links.extend(value.get(start..));
    links
        .into_iter()
        .map(str::trim)
        .filter(|link| !link.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use latchkey_entitlement::policy::StripPolicy;

    use super::*;

    #[test]
    fn hints_to_ad_hosts_go_and_the_rest_stays() {
        let compiled = Compiled::new(&StripPolicy::default(), &[]).unwrap();
        let value =
            r#"</a,b.css>; rel=preload; title="x, y", <https://securepubads.g.doubleclick.net>; rel=preconnect"#;
        let kept = link_header(&compiled, value, "https://news.example/");
        assert_eq!(kept.as_deref(), Some(r#"</a,b.css>; rel=preload; title="x, y""#));
        assert_eq!(
            link_header(&compiled, "<//doubleclick.net/x>; rel=preload", "https://news.example/"),
            None
        );
    }
}
