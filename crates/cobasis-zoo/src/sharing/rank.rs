//! Ranks in names: one for all stages, or one for each.

use std::fmt;

use crate::spec::MAX_STAGES;

/// The largest rank that a name may ask for: above every layer of the zoo, below any accident.
pub(crate) const MAX_RANK: usize = 4096;

/// How many filters each stage has of a kind.
///
/// One number is the rank of the first stage; the others scale it as the paper does, with the
/// channels inside their layers. A list has the rank of every stage.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rank {
    ranks: [u16; MAX_STAGES],
    /// How many of them are given: one for all stages, or one for each.
    given: u8,
}

impl Rank {
    /// This rank in the first stage, scaled in the others.
    ///
    /// # Panics
    ///
    /// Panics if it is above 4096.
    pub fn scaled(first: usize) -> Self {
        assert!(first <= MAX_RANK, "expected a rank of at most {MAX_RANK}, got {first}");
        Self::of(&[first as u16])
    }

    fn of(given: &[u16]) -> Self {
        let mut ranks = [0; MAX_STAGES];
        ranks[..given.len()].copy_from_slice(given);
        Self { ranks, given: given.len() as u8 }
    }

    /// Reads `16` or `12,24,40` for a network whose stages have these scales. A list that says what
    /// its first number alone would say is that number, so that every model has one name. `None` if
    /// these are no numbers.
    ///
    /// # Errors
    ///
    /// If they are too large, or not as many as there are stages.
    pub(crate) fn parse(text: &str, scales: &[usize]) -> Option<Result<Self, &'static str>> {
        let numbers: Vec<usize> = text.split(',').map(number).collect::<Option<_>>()?;
        if numbers.iter().any(|&number| number > MAX_RANK) {
            return Some(Err("expected ranks of at most 4096"));
        }
        if numbers.len() > 1 && numbers.len() != scales.len() {
            return Some(Err("expected one rank, or one for each stage"));
        }
        let given: Vec<u16> = numbers.iter().map(|&number| number as u16).collect();
        let first = Self::of(&given[..1]);
        let all = Self::of(&given);
        let is_scaled = scales
            .iter()
            .enumerate()
            .all(|(stage, &scale)| first.at(stage, scale) == all.at(stage, scale));
        Some(Ok(if is_scaled { first } else { all }))
    }

    /// Reads the ranks of layers that have nothing else, as [`parse`](Self::parse) does.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and if a stage has none.
    pub(crate) fn of_layers(text: &str, scales: &[usize]) -> Option<Result<Self, &'static str>> {
        let rank = Self::parse(text, scales)?;
        let is_empty = |rank: &Self| {
            scales.iter().enumerate().any(|(stage, &scale)| rank.at(stage, scale) == 0)
        };
        Some(rank.and_then(|rank| match is_empty(&rank) {
            true => Err("0 leaves the layers without filters"),
            false => Ok(rank),
        }))
    }

    /// The rank of a stage, where that of the first one is multiplied by `scale`.
    pub fn at(&self, stage: usize, scale: usize) -> usize {
        match self.given {
            1 => scale * usize::from(self.ranks[0]),
            _ => usize::from(self.ranks[stage]),
        }
    }

    /// The ranks that are given: one, or one for each stage.
    pub fn given(&self) -> &[u16] {
        &self.ranks[..usize::from(self.given)]
    }

    /// Whether it is zero in every stage.
    pub fn is_zero(&self) -> bool {
        self.ranks == [0; MAX_STAGES]
    }
}

/// A number without sign or leading zeros, so that every model has one name.
pub(super) fn number(digits: &str) -> Option<usize> {
    let canonical = digits == "0" || !digits.starts_with('0');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A number that does not even fit is refused as too large, not as malformed.
    (canonical && is_number).then(|| digits.parse().unwrap_or(usize::MAX))
}

/// As names have it: `16`, or `12,24,40`.
impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rank) in self.given().iter().enumerate() {
            write!(f, "{}{rank}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_scaled_or_given() {
        let parse = |text| Rank::parse(text, &[1, 2, 4]).expect("numbers");
        let rank = parse("5").expect("a rank");
        assert_eq!([0, 1, 2].map(|stage| rank.at(stage, 1 << stage)), [5, 10, 20]);
        let list = parse("12,24,40").expect("ranks");
        assert_eq!([0, 1, 2].map(|stage| list.at(stage, 1 << stage)), [12, 24, 40]);
        assert_eq!((list.to_string(), rank.to_string()), ("12,24,40".into(), "5".into()));
        assert_eq!(parse("5,10,20"), Ok(rank), "one name for one model");
        assert_eq!(parse("1,2"), Err("expected one rank, or one for each stage"));
        assert!(parse("5000").is_err());
        for text in ["", "05", "1,,2", "-1", "1,2,", "+1"] {
            assert!(Rank::parse(text, &[1, 2, 4]).is_none(), "{text}");
        }
        assert!(parse("0").expect("a rank").is_zero() && !parse("0,0,1").expect("ranks").is_zero());
    }
}
