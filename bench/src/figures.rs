//! Figures and how they are written.

/// A set of measured values, sorted.
#[derive(Clone, Debug)]
pub struct Figures(Vec<f64>);

impl Figures {
    /// Sorts the values. Those that are no numbers are dropped.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The value below or at which `percent` of all lie (nearest rank); 0 if there are none.
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent.min(100)).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// `median (smallest to largest)`, with so many decimals.
    pub fn spread(&self, decimals: usize) -> String {
        let (low, high) = (self.percentile(0), self.percentile(100));
        format!("{:.decimals$} ({low:.decimals$} to {high:.decimals$})", self.median())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let figures = Figures::new((1..=200).rev().map(f64::from).chain([f64::NAN]));
        assert_eq!(figures.count(), 200);
        let written = [0, 50, 99, 100].map(|percent| figures.percentile(percent).to_string());
        assert_eq!(written, ["1", "100", "198", "200"]);
        assert_eq!(Figures::new([2.0, 1.0, 4.0]).spread(1), "2.0 (1.0 to 4.0)");
        assert_eq!(Figures::new([]).spread(0), "0 (0 to 0)");
    }
}
