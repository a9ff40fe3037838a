//! Banners for products that do not exist.

/// No banner is wider or higher than this many pixels.
const MAX_SIDE: u32 = 2_000;

struct Product {
    name: &'static str,
    line: &'static str,
    colours: [&'static str; 3],
}

static PRODUCTS: [Product; 6] = [
    Product {
        name: "Umbrelloon",
        line: "The umbrella that follows you",
        colours: ["#5b2a86", "#9a5fd0", "#ffe066"],
    },
    Product {
        name: "Soupwise",
        line: "Soup that knows when it is hot",
        colours: ["#a83208", "#ef6c2f", "#fff1d0"],
    },
    Product {
        name: "Left Sock Club",
        line: "One left sock, each month",
        colours: ["#0b5d3b", "#22a06b", "#eaffd8"],
    },
    Product {
        name: "Pocket Fjord",
        line: "A quiet fjord for your desk",
        colours: ["#0a3d62", "#2a7fc0", "#dff3ff"],
    },
    Product {
        name: "Hat Bank",
        line: "Save a hat for tomorrow",
        colours: ["#7a0f3d", "#d63a72", "#ffe3ee"],
    },
    Product {
        name: "Moonlawn",
        line: "Grass that mows itself at night",
        colours: ["#1d1f4b", "#4c51b8", "#f6f0b8"],
    },
];

fn product(number: usize) -> &'static Product {
    // The remainder is below the length, so the first product is never needed in its place.
    PRODUCTS.get(number % PRODUCTS.len()).unwrap_or(&PRODUCTS[0])
}

/// What the product is called.
pub(super) fn name(number: usize) -> &'static str {
    product(number).name
}

/// What its advertisement says.
pub(super) fn line(number: usize) -> &'static str {
    product(number).line
}

/// The product shown in a slot: always the same one, so that screenshots can be compared.
pub(super) fn product_for(slot: &str) -> usize {
    slot.bytes().map(usize::from).sum::<usize>() % PRODUCTS.len()
}

/// The width and height in `300x250` or `300x250.svg`; 300 by 250 where there is none.
pub(super) fn size(text: &str) -> (u32, u32) {
    text.trim_end_matches(".svg")
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .filter(|(width, height)| (1..=MAX_SIDE).contains(width) && (1..=MAX_SIDE).contains(height))
        .unwrap_or((300, 250))
}

/// The banner as an SVG picture.
pub(super) fn svg(number: usize, width: u32, height: u32) -> String {
    let Product {
        name,
        line,
        colours: [dark, bright, light],
    } = product(number);
    let wide = width > height * 3;
    let (w, h) = (f64::from(width), f64::from(height));
    let name_size = if wide {
        (h * 0.36).min(w / 16.0)
    } else {
        (w * 0.105).min(h * 0.17)
    };
    let line_size = name_size * 0.52;
    let (name_y, line_y) = if wide {
        (h * 0.48, h * 0.78)
    } else {
        (h * 0.6, h * 0.6 + line_size * 1.9)
    };
    let (ball_x, ball_y, ball) = if wide {
        (h * 0.5 + 8.0, h / 2.0, h * 0.3)
    } else {
        (w / 2.0, h * 0.27, h.min(w) * 0.15)
    };
    // A wide banner in a narrow place loses its end and not its name.
    let align = if wide { "xMinYMid" } else { "xMidYMid" };
    let (x, anchor) = if wide {
        (ball_x + ball + h * 0.2, "start")
    } else {
        (w / 2.0, "middle")
    };
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" preserveAspectRatio="{align} slice" font-family="Verdana,DejaVu Sans,sans-serif">
<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="{dark}"/><stop offset="1" stop-color="{bright}"/></linearGradient></defs>
<rect width="{width}" height="{height}" fill="url(#g)"/>
<circle cx="{ball_x:.1}" cy="{ball_y:.1}" r="{ball:.1}" fill="{light}"/><circle cx="{:.1}" cy="{:.1}" r="{:.1}" fill="{bright}"/>
<text x="{x:.1}" y="{name_y:.1}" font-size="{name_size:.1}" font-weight="700" fill="#fff" text-anchor="{anchor}">{name}</text>
<text x="{x:.1}" y="{line_y:.1}" font-size="{line_size:.1}" fill="{light}" text-anchor="{anchor}">{line}</text>
<g transform="translate({:.1} 0)"><rect width="22" height="14" fill="#fff"/><text x="11" y="11" font-size="10" font-weight="700" fill="#222" text-anchor="middle">Ad</text></g>
</svg>"##,
        ball_x + ball * 0.35,
        ball_y - ball * 0.3,
        ball * 0.75,
        w - 22.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_makes_no_sense_becomes_the_usual_one() {
        assert_eq!(size("728x90.svg"), (728, 90));
        for wrong in ["", "x", "0x10", "9999x10", "-1x5", "300"] {
            assert_eq!(size(wrong), (300, 250), "{wrong}");
        }
    }

    #[test]
    fn every_number_has_a_banner() {
        assert!(svg(usize::MAX, 728, 90).contains(name(usize::MAX)));
        assert!(svg(0, 1, 1).starts_with("<svg"));
    }
}
