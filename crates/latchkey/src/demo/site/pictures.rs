//! The pictures, drawn by the site: a sky, a sea or a hill, and what the article is about.

use super::super::html::each;

/// A picture's name, its sky (top, bottom), its ground (far, near) and what stands in it.
pub(super) struct Scene {
    pub(super) name: &'static str,
    sky: [&'static str; 2],
    ground: [&'static str; 2],
    /// The curve of the ground: how high its waves are, in pixels.
    swell: f64,
    objects: &'static str,
}

const W: f64 = 1200.0;
const H: f64 = 675.0;
/// The ground is drawn in so many layers.
const LAYERS: u32 = 4;
/// A layer's upper edge has so many straight pieces.
const STEPS: u32 = 24;

/// All pictures.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        name: "tide",
        sky: ["#f9d9a8", "#f3f0df"],
        ground: ["#5fa3b5", "#0d3b52"],
        swell: 14.0,
        objects: include_str!("../assets/pictures/tide.svgpart"),
    },
    Scene {
        name: "gauge",
        sky: ["#f9d9a8", "#f3f0df"],
        ground: ["#5fa3b5", "#0d3b52"],
        swell: 9.0,
        objects: include_str!("../assets/pictures/gauge.svgpart"),
    },
    Scene {
        name: "bees",
        sky: ["#cfe3ea", "#f6f4ea"],
        ground: ["#c9d6c4", "#eef1ec"],
        swell: 30.0,
        objects: include_str!("../assets/pictures/bees.svgpart"),
    },
    Scene {
        name: "train",
        sky: ["#0b1638", "#3d3f7c"],
        ground: ["#1c2450", "#0a0f26"],
        swell: 36.0,
        objects: include_str!("../assets/pictures/train.svgpart"),
    },
    Scene {
        name: "bicycle",
        sky: ["#a9d8ee", "#eef7f2"],
        ground: ["#8cbf8f", "#3f6b57"],
        swell: 8.0,
        objects: include_str!("../assets/pictures/bicycle.svgpart"),
    },
    Scene {
        name: "weather",
        sky: ["#6d8aa5", "#cfdbe0"],
        ground: ["#7f9d7a", "#42624a"],
        swell: 34.0,
        objects: include_str!("../assets/pictures/weather.svgpart"),
    },
    Scene {
        name: "library",
        sky: ["#6b3f2a", "#9a643e"],
        ground: ["#54301f", "#3b2014"],
        swell: 0.0,
        objects: include_str!("../assets/pictures/library.svgpart"),
    },
    Scene {
        name: "seagrass",
        sky: ["#7fd3cf", "#1d7f92"],
        ground: ["#146072", "#e0c88f"],
        swell: 12.0,
        objects: include_str!("../assets/pictures/seagrass.svgpart"),
    },
    Scene {
        name: "bakery",
        sky: ["#141a3a", "#2c2d55"],
        ground: ["#3a3048", "#201a2c"],
        swell: 0.0,
        objects: include_str!("../assets/pictures/bakery.svgpart"),
    },
    Scene {
        name: "glow",
        sky: ["#040816", "#10223f"],
        ground: ["#0c3350", "#031420"],
        swell: 16.0,
        objects: include_str!("../assets/pictures/glow.svgpart"),
    },
    Scene {
        name: "lighthouse",
        sky: ["#e88d67", "#f9e0c0"],
        ground: ["#3c6e80", "#12313f"],
        swell: 18.0,
        objects: include_str!("../assets/pictures/lighthouse.svgpart"),
    },
    Scene {
        name: "stars",
        sky: ["#050a1c", "#1a2c54"],
        ground: ["#0c1730", "#04070f"],
        swell: 26.0,
        objects: include_str!("../assets/pictures/stars.svgpart"),
    },
    Scene {
        name: "sound",
        sky: ["#2a8ea0", "#0f5468"],
        ground: ["#0d4256", "#06222f"],
        swell: 20.0,
        objects: include_str!("../assets/pictures/sound.svgpart"),
    },
];

/// The picture as SVG.
pub(super) fn svg(scene: &Scene) -> String {
    let layers = each(0..LAYERS, |layer| ground(scene, layer));
    let [top, bottom] = scene.sky;
    let [far, near] = scene.ground;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {W} {H}\" width=\"{W}\" height=\"{H}\">\n\
         <defs><linearGradient id=\"sky\" x2=\"0\" y2=\"1\"><stop stop-color=\"{top}\"/><stop offset=\"1\" \
         stop-color=\"{bottom}\"/></linearGradient><linearGradient id=\"ground\" gradientUnits=\"userSpaceOnUse\" \
         x2=\"0\" y1=\"400\" y2=\"675\"><stop stop-color=\"{far}\"/><stop offset=\"1\" stop-color=\"{near}\"/>\
         </linearGradient></defs>\n<rect width=\"{W}\" height=\"{H}\" fill=\"url(#sky)\"/>\n{}\n{layers}{}</svg>\n",
        part(scene.objects, "behind"),
        part(scene.objects, "before")
    )
}

/// A part file holds what stands behind the ground, and after the line `-- before` what stands before it.
fn part(objects: &str, which: &str) -> String {
    let (behind, before) = objects.split_once("-- before\n").unwrap_or(("", objects));
    if which == "behind" {
        behind.to_owned()
    } else {
        before.to_owned()
    }
}

fn ground(scene: &Scene, layer: u32) -> String {
    let depth = f64::from(layer);
    let base = 425.0 + depth * 62.0;
    let (length, shift) = (420.0 - depth * 45.0, depth * 1.9);
    let line = each(0..=STEPS, |step| {
        let x = f64::from(step) * W / f64::from(STEPS);
        let y = base + scene.swell * ((x / length * std::f64::consts::TAU) + shift).sin();
        format!("L{x:.0} {y:.1} ")
    });
    format!(
        "<path d=\"M0 {H} {line}L{W} {H}Z\" fill=\"url(#ground)\" opacity=\"{:.2}\"/>\n",
        0.55 + depth * 0.15
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_is_a_whole_picture() {
        for scene in SCENES {
            let picture = svg(scene);
            assert!(
                picture.starts_with("<svg") && picture.ends_with("</svg>\n"),
                "{}",
                scene.name
            );
            assert!(
                !picture.contains("-- before") && !picture.contains("NaN"),
                "{}",
                scene.name
            );
        }
    }
}
