//! `latchkey strip`: the edge's engine on files.

use crate::program::Place;

const PAGE: &str = "<!DOCTYPE html><html><head><script src=\"https://securepubads.g.doubleclick.net/tag/js/gpt.js\"></script></head>\
    <body><article><p>The tide clock is new.</p></article><ins class=\"adsbygoogle\"></ins></body></html>\n";

#[test]
fn standard_input_goes_to_standard_output_without_ads() {
    let stripped = Place::new().pipe(&["strip"], PAGE.as_bytes()).is(0);
    let stripped = stripped
        .says(&["The tide clock is new."])
        .never_says(&["doubleclick", "adsbygoogle"]);
    assert!(stripped.err.is_empty());
}

#[test]
fn files_go_to_a_folder_under_their_own_names() {
    let place = Place::new();
    let (one, two) = (place.write("in/one.html", PAGE), place.write("in/two.html", PAGE));
    let told = place
        .run(&["strip", "--report", "--out", "clean/deep", &one, &two])
        .is(0);
    told.says(&["one.html: ", "two.html: ", " bytes", " × "]);
    for name in ["clean/deep/one.html", "clean/deep/two.html"] {
        assert!(place.read(name).contains("tide clock") && !place.read(name).contains("adsbygoogle"));
    }
    assert_eq!(place.read("in/one.html"), PAGE, "the original was touched");
}

#[test]
fn files_that_would_overwrite_each_other_are_refused_before_anything_is_written() {
    let place = Place::new();
    let (one, two) = (place.write("a/page.html", PAGE), place.write("b/page.html", PAGE));
    place
        .run(&["strip", "--out", "clean", &one, &two])
        .is(1)
        .says(&["several files are named page.html", "help:"]);
    assert!(!place.path("clean/page.html").exists());
    let own = place.path("a").display().to_string();
    place
        .run(&["strip", "--out", &own, &one])
        .is(1)
        .says(&["overwritten by its own result"]);
    assert_eq!(place.read("a/page.html"), PAGE);
}

#[test]
fn rules_of_ones_own_are_applied_and_wrong_ones_explained() {
    let place = Place::new();
    let rules = place.write(
        "rules.toml",
        "[[rules]]\nid = \"clock\"\nselect = \"article\"\naction = \"remove\"\n",
    );
    let stripped = place
        .pipe(&["strip", "--rules", &rules, "--report"], PAGE.as_bytes())
        .is(0);
    stripped.never_says(&["The tide clock"]).says(&["clock"]);
    for (text, said) in [
        ("groups = [\"adz\"]", "adz"),
        ("groups = 3", "line 1"),
        (
            "[[rules]]\nid = \"x\"\nselect = \"..bad\"\naction = \"remove\"",
            "rule x",
        ),
        (
            "[[rules]]\nid = \"x\"\nselect = \".a\"\naction = \"explode\"",
            "explode",
        ),
        ("[database]\nurl = \"x\"", "database"),
    ] {
        let rules = place.write("rules.toml", text);
        let refused = place.pipe(&["strip", "--rules", &rules], PAGE.as_bytes()).is(3);
        let refused = refused.says(&[said, "rules.toml", "help:"]);
        assert!(refused.out.is_empty(), "a page was written: {}", refused.out);
    }
    place
        .run(&["strip", "--rules", "none.toml"])
        .is(3)
        .says(&["none.toml", "No such file"]);
}

#[test]
fn a_filter_list_is_applied_and_one_that_is_missing_or_huge_refused() {
    let place = Place::new();
    let list = place.write("list.txt", "! a list\n##.house-ad\n");
    let page = "<p>Text.</p><div class=\"house-ad\">Buy!</div>";
    let stripped = place.pipe(&["strip", "--filter-list", &list], page.as_bytes()).is(0);
    stripped.says(&["Text."]).never_says(&["Buy!"]);

    place
        .run(&["strip", "--filter-list", "none.txt"])
        .is(3)
        .says(&["filter list none.txt cannot be read", "help:"]);
    let huge = std::fs::File::create(place.path("huge.txt")).unwrap();
    huge.set_len(64 * 1024 * 1024 + 1).unwrap();
    place
        .run(&["strip", "--filter-list", "huge.txt"])
        .is(3)
        .says(&["huge.txt is larger than 67108864 bytes"]);
}

#[test]
fn whatever_is_no_page_comes_out_as_it_went_in() {
    let place = Place::new();
    let odd: [&[u8]; 4] = [b"", b"not HTML at all\n", b"{\"json\": true}", b"<p>caf\xe9</p>"];
    for input in odd {
        let file = place.write("odd", input);
        place.run(&["strip", "--out", "clean", &file]).is(0);
        let output = std::fs::read(place.path("clean/odd")).unwrap();
        assert_eq!(output, input, "{}", String::from_utf8_lossy(input));
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let place = Place::new();
    place.write("pages/one.html", PAGE);
    place
        .run(&["strip", "pages"])
        .is(1)
        .says(&["pages is a folder", "help:", "pages/*.html"]);
    place
        .run(&["strip", "none.html"])
        .is(1)
        .says(&["none.html", "No such file"]);
    place
        .run(&["strip", "--out", "clean"])
        .is(1)
        .says(&["--out needs files"]);
    place.write("file", "");
    place
        .run(&["strip", "--out", "file", "pages/one.html"])
        .is(1)
        .says(&["creating file"]);
}
