//! How well a score tells what a model does not know from what it does.

/// The share of pairs of a known and an unknown sample in which the unknown one scores higher, ties
/// counting half: the area under the ROC curve (Hanley & McNeil 1982). 0.5 is chance; `None` where a
/// kind has no samples.
///
/// No score may be NaN: one would count as larger than all others.
pub fn area_under_roc(known: &[f32], unknown: &[f32]) -> Option<f64> {
    if known.is_empty() || unknown.is_empty() {
        return None;
    }
    let mut known = known.to_vec();
    known.sort_by(f32::total_cmp);
    let won: f64 = unknown
        .iter()
        .map(|score| {
            let below = known.partition_point(|other| other.total_cmp(score).is_lt());
            let not_above = known.partition_point(|other| other.total_cmp(score).is_le());
            (below + not_above) as f64 / 2.0
        })
        .sum();
    Some(won / (known.len() as f64 * unknown.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(known: &[f32], unknown: &[f32]) -> Option<f64> {
        area_under_roc(known, unknown).map(|area| (area * 1e9).round() / 1e9)
    }

    #[test]
    fn pairs_are_counted_and_ties_count_half() {
        assert_eq!(area(&[0.1, 0.2], &[0.3, 0.4]), Some(1.0));
        assert_eq!(area(&[0.3, 0.4], &[0.1, 0.2]), Some(0.0));
        assert_eq!(area(&[0.5; 3], &[0.5; 4]), Some(0.5));
        // 0.4 beats two of three, 0.2 beats one and ties with one.
        assert_eq!(area(&[0.1, 0.2, 0.5], &[0.4, 0.2]), Some(0.583_333_333));
    }

    #[test]
    fn of_no_samples_there_is_no_area() {
        assert_eq!(area(&[], &[0.5]), None);
        assert_eq!(area(&[0.5], &[]), None);
    }
}
