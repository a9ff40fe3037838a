//! A page like those that readers open: about 25 KB, an article with ads in it.

use std::fmt::Write as _;

/// Paragraphs of the article.
const PARAGRAPHS: usize = 44;
const PARAGRAPH: &str = "The tide gauge at the end of the pier has written down the height of the water every six minutes \
    since the spring, and whoever walks past can read it from a dial as wide as a cartwheel. On calm days the needle \
    hardly trembles; when the wind turns to the north it begins to climb an hour before anybody feels the change, and \
    the boats that lie at the outer mole are moved. The figures go to the harbour office and from there to the school, \
    where each class keeps a month of them on a roll of squared paper that reaches twice around the room.";

/// What stands in every payer's page and in no ad.
pub const ARTICLE_MARK: &str = "a roll of squared paper";
/// What stands in ads alone.
pub const AD_MARKS: [&str; 3] = ["adsbygoogle", "googletag", "doubleclick"];

/// The page.
pub fn article() -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>The gauge at the pier</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"stylesheet\" href=\"/site.css\">\n\
         <link rel=\"preconnect\" href=\"https://securepubads.g.doubleclick.net\">\n\
         <script async src=\"https://pagead2.googlesyndication.com/pagead/js/adsbygoogle.js?client=ca-pub-1\"></script>\n\
         <script async src=\"https://securepubads.g.doubleclick.net/tag/js/gpt.js\"></script>\n\
         <script>window.googletag = window.googletag || {cmd: []}; googletag.cmd.push(function () { \
         googletag.defineSlot('/1/top', [728, 90], 'div-gpt-ad-1').addService(googletag.pubads()); \
         googletag.enableServices(); });</script>\n</head>\n<body>\n<header><a href=\"/\">The Harbour Post</a>\
         <nav><a href=\"/town\">Town</a> <a href=\"/science\">Science</a></nav></header>\n\
         <div id=\"div-gpt-ad-1\"><script>googletag.cmd.push(function () { googletag.display('div-gpt-ad-1'); });</script></div>\n\
         <main><article>\n<h1>The gauge at the pier</h1>\n",
    );
    for number in 0..PARAGRAPHS {
        let _ = writeln!(html, "<p id=\"p{number}\">{PARAGRAPH}</p>");
        if number % 12 == 5 {
            let _ = writeln!(
                html,
                "<ins class=\"adsbygoogle\" style=\"display:block\" data-ad-slot=\"{number}\"></ins>\
                 <script>(adsbygoogle = window.adsbygoogle || []).push({{}});</script>"
            );
        }
    }
    html.push_str("</article></main>\n<footer><p>The Harbour Post</p></footer>\n</body>\n</html>\n");
    html
}
