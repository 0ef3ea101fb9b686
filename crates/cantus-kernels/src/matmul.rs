//! Products of matrices: a safe face for the `gemm` crate.

use gemm::Parallelism;

use crate::element::Element;

/// A matrix that is read: any slice, any strides.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    elements: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// Rows of `columns` elements, one starting `row_stride` elements after the other.
    ///
    /// # Panics
    /// When the last element lies beyond the slice.
    pub(crate) fn rows(elements: &'a [T], rows: usize, columns: usize, row_stride: usize) -> Self {
        check_extent(elements.len(), rows, columns, row_stride, 1);
        Self { elements, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            elements: self.elements,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// A matrix that is written: rows that do not overlap.
pub(crate) struct MatrixMut<'a, T> {
    elements: &'a mut [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a, T> MatrixMut<'a, T> {
    /// Rows of `columns` elements, one starting `row_stride` elements after the other.
    ///
    /// # Panics
    /// When the last element lies beyond the slice, or when rows overlap.
    pub(crate) fn rows(
        elements: &'a mut [T],
        rows: usize,
        columns: usize,
        row_stride: usize,
    ) -> Self {
        assert!(row_stride >= columns, "rows of {columns} overlap at stride {row_stride}");
        check_extent(elements.len(), rows, columns, row_stride, 1);
        Self { elements, rows, columns, row_stride }
    }
}

fn check_extent(
    length: usize,
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    let last = (rows - 1)
        .checked_mul(row_stride)
        .and_then(|row| row.checked_add((columns - 1).checked_mul(column_stride)?));
    assert!(
        last.is_some_and(|last| last < length),
        "a matrix of {rows} x {columns} at strides {row_stride}, {column_stride} in {length} elements"
    );
}

/// `destination = left * right`, on the calling thread.
pub(crate) fn multiply<T: Element>(
    destination: &mut MatrixMut<T>,
    left: Matrix<T>,
    right: Matrix<T>,
) {
    gemm_checked(destination, left, right, false);
}

/// `destination += left * right`, on the calling thread.
pub(crate) fn multiply_add<T: Element>(
    destination: &mut MatrixMut<T>,
    left: Matrix<T>,
    right: Matrix<T>,
) {
    gemm_checked(destination, left, right, true);
}

fn gemm_checked<T: Element>(
    destination: &mut MatrixMut<T>,
    left: Matrix<T>,
    right: Matrix<T>,
    accumulate: bool,
) {
    assert_eq!(left.columns, right.rows, "inner dimensions");
    assert_eq!(
        (left.rows, right.columns),
        (destination.rows, destination.columns),
        "outer dimensions"
    );
    if destination.rows == 0 || destination.columns == 0 {
        return;
    }
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    // SAFETY: each of the three matrices was checked, when it was made, to lie within its slice,
    // and the slices cannot be resized while they are borrowed. `destination` is borrowed mutably,
    // so it shares no memory with the others, and its rows do not overlap. The dimensions agree
    // (asserted above). `T` is f32 or f64 (`Element` is private to the crate and has two
    // implementations), both of which gemm knows. Strides fit an isize as slices do.
    unsafe {
        gemm::gemm(
            destination.rows,
            destination.columns,
            left.columns,
            destination.elements.as_mut_ptr(),
            1,
            destination.row_stride as isize,
            accumulate,
            left.elements.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.elements.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            T::one(),
            T::one(),
            false,
            false,
            false,
            // Threads divide the batch, not the product: so the sums are the same at any thread
            // count.
            Parallelism::None,
        );
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    fn numbers(length: usize) -> Vec<f64> {
        (0..length).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0).collect()
    }

    #[test]
    fn a_product_with_strides_and_a_transposed_factor_equals_the_sum_of_products() {
        let (left, right) = (numbers(4 * 5), numbers(6 * 5));
        let mut destination = vec![100.0; 4 * 9];
        multiply_add(
            &mut MatrixMut::rows(&mut destination[1..], 4, 6, 9),
            Matrix::rows(&left, 4, 5, 5),
            Matrix::rows(&right, 6, 5, 5).transposed(),
        );
        for row in 0..4 {
            for column in 0..6 {
                let sum: f64 = (0..5).map(|k| left[row * 5 + k] * right[column * 5 + k]).sum();
                assert_eq!(destination[1 + row * 9 + column], 100.0 + sum);
            }
            assert_eq!(destination[row * 9], 100.0, "what lies between the rows stays");
        }
    }

    #[test]
    fn multiplying_without_adding_overwrites_what_was_there() {
        let mut destination = vec![f32::NAN; 4];
        let identity = [1.0f32, 0.0, 0.0, 1.0];
        let (left, right) = (Matrix::rows(&identity, 2, 2, 2), Matrix::rows(&identity, 2, 2, 2));
        multiply(&mut MatrixMut::rows(&mut destination, 2, 2, 2), left, right);
        assert_eq!(destination, identity);
    }

    #[test]
    #[should_panic(expected = "in 19 elements")]
    fn a_matrix_that_reaches_beyond_its_slice_is_refused() {
        let _ = Matrix::rows(&[0f32; 19], 4, 5, 5);
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn rows_that_overlap_cannot_be_written() {
        let _ = MatrixMut::rows(&mut [0f32; 19], 4, 5, 4);
    }
}
