//! Medians, and ratios of what was measured in the same round.

/// The middle value; of an even number of values the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

/// Smallest and largest value.
pub(crate) fn range(values: &[f64]) -> Option<(f64, f64)> {
    let smallest = values.iter().copied().min_by(f64::total_cmp)?;
    let largest = values.iter().copied().max_by(f64::total_cmp)?;
    Some((smallest, largest))
}

/// The median of `a / b` over the rounds that have both: what slows the machine down for a while
/// slows both, so that a pair says more than two medians.
pub(crate) fn ratio(a: &[(usize, f64)], b: &[(usize, f64)]) -> Option<f64> {
    let of = |round: usize| b.iter().find(|(other, _)| *other == round).map(|(_, value)| *value);
    let ratios: Vec<f64> = a
        .iter()
        .filter_map(|(round, value)| Some(value / of(*round).filter(|other| *other > 0.0)?))
        .collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::{median, range, ratio};

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (&[][..], None),
            (&[3.0][..], Some(3.0)),
            (&[9.0, 1.0][..], Some(5.0)),
            (&[9.0, 1.0, 2.0][..], Some(2.0)),
            (&[4.0, 1.0, 3.0, 2.0][..], Some(2.5)),
        ] {
            assert_eq!(median(values), expected, "{values:?}");
        }
        assert_eq!(range(&[2.0, 9.0, 1.0]), Some((1.0, 9.0)));
        assert_eq!(range(&[]), None);
    }

    #[test]
    fn ratios_are_of_pairs() {
        // The third round was slow for both: medians alone would give 2/5.
        let (a, b) = ([(1, 1.0), (2, 2.0), (3, 9.0)], [(3, 18.0), (2, 5.0), (1, 4.0)]);
        assert_eq!(ratio(&a, &b), Some(0.4));
        assert_eq!(
            ratio(&[(1, 1.0), (2, 6.0)], &[(2, 3.0)]),
            Some(2.0),
            "a round without its pair"
        );
        assert_eq!(ratio(&[(1, 1.0)], &[(2, 3.0)]), None);
        assert_eq!(ratio(&[(1, 1.0)], &[(1, 0.0)]), None);
    }
}
