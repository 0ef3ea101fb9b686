use crate::BaselineError;

/// Beyond this, squares and products of what is computed from values might overflow.
pub(crate) const MOST: f64 = 1e100;

/// Refuses a setting that is not usable.
pub(crate) fn setting(
    setting: &'static str,
    value: f64,
    is_usable: bool,
    expected: &str,
) -> Result<(), BaselineError> {
    if is_usable {
        return Ok(());
    }
    Err(BaselineError::Setting {
        setting,
        // As 1e100, not with a hundred zeros.
        value: format!("{value:?}"),
        expected: expected.to_owned(),
    })
}

/// Refuses a setting that is not a positive number, or too large to be squared.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<(), BaselineError> {
    setting(name, value, value > 0.0 && value <= MOST, "a positive number of at most 1e100")
}

/// Refuses values that are not finite or too large to be squared.
pub(crate) fn values(values: &[f64], per_row: usize) -> Result<(), BaselineError> {
    // Written so that a NaN is found.
    match values.iter().position(|value| !(-MOST..=MOST).contains(value)) {
        None => Ok(()),
        Some(index) => Err(BaselineError::Value {
            row: index / per_row,
            column: index % per_row,
            value: values[index],
        }),
    }
}

/// How many rows of `per_row` there are.
pub(crate) fn rows(values: usize, per_row: usize) -> Result<usize, BaselineError> {
    if per_row == 0 || !values.is_multiple_of(per_row) {
        return Err(BaselineError::RaggedRows { values, per_row });
    }
    Ok(values / per_row)
}

/// The number of examples of each class: two classes at least, each with an example at least.
pub(crate) fn class_counts(
    examples: usize,
    classes: &[usize],
    n_classes: usize,
) -> Result<Vec<usize>, BaselineError> {
    if classes.len() != examples {
        return Err(BaselineError::LabelCount { examples, labels: classes.len() });
    }
    if n_classes < 2 {
        return Err(BaselineError::TooFewClasses { classes: n_classes });
    }
    // No more than it takes to find one without an example: the number may be hostile too.
    let mut counts = vec![0; n_classes.min(examples + 1)];
    for (example, &class) in classes.iter().enumerate() {
        if class >= n_classes {
            return Err(BaselineError::UnknownClass { example, class, classes: n_classes });
        }
        if let Some(count) = counts.get_mut(class) {
            *count += 1;
        }
    }
    match counts.iter().position(|&count| count == 0) {
        Some(class) => Err(BaselineError::EmptyClass { class }),
        None => Ok(counts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_counted_and_what_is_wrong_with_them_is_named() {
        assert_eq!(class_counts(4, &[1, 0, 1, 1], 2), Ok(vec![1, 3]));
        for (classes, n_classes, expected) in [
            (vec![0, 1, 0], 2, BaselineError::LabelCount { examples: 4, labels: 3 }),
            (vec![0; 4], 1, BaselineError::TooFewClasses { classes: 1 }),
            (vec![0; 4], 0, BaselineError::TooFewClasses { classes: 0 }),
            (vec![0, 2, 0, 2], 3, BaselineError::EmptyClass { class: 1 }),
            (vec![0, 1, 2, 3], usize::MAX, BaselineError::EmptyClass { class: 4 }),
            (vec![0, 1, 7, 1], 2, BaselineError::UnknownClass { example: 2, class: 7, classes: 2 }),
        ] {
            assert_eq!(class_counts(4, &classes, n_classes), Err(expected));
        }
    }
}
