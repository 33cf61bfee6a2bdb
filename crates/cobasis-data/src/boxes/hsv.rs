//! Random changes of hue, saturation and brightness.

use crate::rng::SplitMix64;

/// How far colours may change.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HsvChange {
    /// The most that hues turn, either way, in degrees.
    pub hue: f64,
    /// Saturation is multiplied by 1 ± up to this share.
    pub saturation: f64,
    /// Brightness, which is the value of the strongest colour, is multiplied by 1 ± up to this share.
    pub value: f64,
}

/// A change of colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hsv {
    /// Degrees.
    turn: f32,
    saturation: f32,
    value: f32,
}

impl HsvChange {
    /// Draws a change; as many numbers whatever the settings.
    pub(super) fn draw(&self, rng: &mut SplitMix64) -> Hsv {
        let mut around = |most: f64| (most * (2.0 * rng.unit() - 1.0)) as f32;
        let (turn, saturation) = (around(self.hue), 1.0 + around(self.saturation));
        Hsv { turn, saturation, value: 1.0 + around(self.value) }
    }
}

impl Hsv {
    /// Changes pixels of red, green and blue.
    pub(super) fn apply(self, pixels: &mut [u8]) {
        if self == (Self { turn: 0.0, saturation: 1.0, value: 1.0 }) {
            return;
        }
        for pixel in pixels.as_chunks_mut::<3>().0 {
            *pixel = self.changed(*pixel);
        }
    }

    fn changed(self, pixel: [u8; 3]) -> [u8; 3] {
        let [r, g, b] = pixel.map(f32::from);
        let value = r.max(g).max(b);
        let chroma = value - r.min(g).min(b);
        // Sixths of a turn from red.
        let hue = if chroma == 0.0 {
            0.0
        } else if value == r {
            (g - b) / chroma
        } else if value == g {
            (b - r) / chroma + 2.0
        } else {
            (r - g) / chroma + 4.0
        };
        let saturation = if value == 0.0 { 0.0 } else { chroma / value };
        let hue = hue + self.turn / 60.0;
        let value = (value * self.value).clamp(0.0, 255.0);
        let chroma = value * (saturation * self.saturation).clamp(0.0, 1.0);
        [5.0, 3.0, 1.0].map(|of: f32| {
            let distance = (of + hue).rem_euclid(6.0);
            let below = distance.min(4.0 - distance).clamp(0.0, 1.0);
            (value - chroma * below).round() as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_worked_out_by_hand() {
        let change = |turn, saturation, value| Hsv { turn, saturation, value };
        for (change, from, to) in [
            (change(120.0, 1.0, 1.0), [200, 100, 50], [50, 200, 100]),
            (change(-120.0, 1.0, 1.0), [200, 100, 50], [100, 50, 200]),
            (change(60.0, 1.0, 1.0), [200, 0, 0], [200, 200, 0]),
            (change(0.0, 0.5, 1.0), [200, 100, 0], [200, 150, 100]),
            (change(0.0, 2.0, 1.0), [200, 150, 100], [200, 100, 0]),
            (change(0.0, 1.0, 0.5), [200, 100, 50], [100, 50, 25]),
            (change(0.0, 1.0, 2.0), [200, 80, 40], [255, 102, 51]),
            (change(77.0, 1.5, 1.0), [90, 90, 90], [90, 90, 90]),
            (change(77.0, 1.5, 1.5), [0, 0, 0], [0, 0, 0]),
        ] {
            let mut pixels = from;
            change.apply(&mut pixels);
            assert_eq!(pixels, to, "{change:?}");
        }
    }

    #[test]
    fn a_turn_around_changes_nothing() {
        let around = Hsv { turn: 360.0, saturation: 1.0, value: 1.0 };
        for at in 0..1 << 15 {
            let pixel = [at & 31, at >> 5 & 31, at >> 10].map(|value: u32| (value * 8) as u8);
            assert_eq!(around.changed(pixel), pixel);
        }
    }

    #[test]
    fn draws_stay_within_their_ranges() {
        let most = HsvChange { hue: 5.0, saturation: 0.7, value: 0.4 };
        let mut rng = SplitMix64::new(1);
        let mut widest = [0.0f32; 3];
        for _ in 0..1000 {
            let Hsv { turn, saturation, value } = most.draw(&mut rng);
            let all = [turn, saturation - 1.0, value - 1.0].map(f32::abs);
            widest = std::array::from_fn(|i| widest[i].max(all[i]));
        }
        assert!(
            widest
                .iter()
                .zip([5.0, 0.7, 0.4])
                .all(|(most, limit)| { (0.95 * limit..=limit * 1.0001).contains(most) })
        );
    }
}
