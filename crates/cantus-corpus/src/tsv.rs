//! Tables of tab-separated values, read strictly.
//!
//! A cell that holds a tab, a double quote or a line break is put in double quotes, those inside
//! it doubled, as spreadsheets, pandas and DuckDB do. Unlike a lenient reader, this one refuses a
//! cell such as `"Weird Al" X` rather than losing its quotes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::error::{CorpusError, TableFault};

/// A table with a header, whose rows are read one after the other.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    name: String,
    columns: BTreeMap<String, usize>,
    width: usize,
    rest: Rest<'a>,
    /// A fault behind rows that were handed out before it is told.
    fault: Option<CorpusError>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line where it starts, from 1.
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
}

impl<'a> Table<'a> {
    /// Begins a table whose header names at least these columns, in any order.
    ///
    /// Empty lines and lines that start with `#` are passed over; a byte order mark and line ends
    /// of Windows are accepted.
    pub(crate) fn open(name: &str, bytes: &'a [u8], needed: &[&str]) -> Result<Self, CorpusError> {
        let fail = |line, fault| CorpusError::Table { table: name.to_owned(), line, fault };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let breaks = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n');
                return Err(fail(1 + breaks.count() as u64, TableFault::NotUtf8));
            }
        };
        let mut rest = Rest { text, line: 1 };
        let Some(header) = rest.next_row().map_err(|(line, fault)| fail(line, fault))? else {
            let expected = needed.iter().map(ToString::to_string).collect();
            return Err(fail(1, TableFault::NoHeader { expected }));
        };
        let width = header.cells.len();
        let mut columns = BTreeMap::new();
        for (index, name) in header.cells.iter().enumerate() {
            if columns.insert(name.clone(), index).is_some() && !name.is_empty() {
                return Err(fail(header.line, TableFault::RepeatedColumn { name: name.clone() }));
            }
        }
        let missing: Vec<String> = needed
            .iter()
            .filter(|name| !columns.contains_key(**name))
            .map(ToString::to_string)
            .collect();
        if !missing.is_empty() {
            let found = header.cells;
            return Err(fail(header.line, TableFault::MissingColumns { missing, found }));
        }
        Ok(Self { name: name.to_owned(), columns, width, rest, fault: None })
    }

    /// The next row; none at the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row>, CorpusError> {
        let row = self.rest.next_row().map_err(|(line, fault)| self.fault_at(line, fault))?;
        match row {
            Some(row) if row.cells.len() != self.width => {
                let fault = TableFault::Width { expected: self.width, found: row.cells.len() };
                Err(self.fault(&row, fault))
            }
            row => Ok(row),
        }
    }

    /// The next rows, at most so many; none at the end. Rows before a faulty one are handed out, and the
    /// fault is told when more are asked for.
    pub(crate) fn next_rows(&mut self, most: usize) -> Result<Vec<Row>, CorpusError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut rows = Vec::new();
        while rows.len() < most {
            match self.next_row() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => break,
                Err(fault) if rows.is_empty() => return Err(fault),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok(rows)
    }

    /// The cell of a column that the header was asked to name.
    pub(crate) fn cell<'row>(&self, row: &'row Row, column: &str) -> &'row str {
        self.columns.get(column).map_or("", |&index| &row.cells[index])
    }

    /// The same, refusing an empty cell.
    pub(crate) fn filled_cell<'row>(
        &self,
        row: &'row Row,
        column: &'static str,
    ) -> Result<&'row str, CorpusError> {
        match self.cell(row, column) {
            "" => Err(self.fault(row, TableFault::EmptyCell { column })),
            text => Ok(text),
        }
    }

    /// An error in this row.
    pub(crate) fn fault(&self, row: &Row, fault: TableFault) -> CorpusError {
        self.fault_at(row.line, fault)
    }

    fn fault_at(&self, line: u64, fault: TableFault) -> CorpusError {
        CorpusError::Table { table: self.name.clone(), line, fault }
    }
}

/// What is still to be read, and the line it starts in.
#[derive(Debug)]
struct Rest<'a> {
    text: &'a str,
    line: u64,
}

impl<'a> Rest<'a> {
    /// Passes over so many bytes and returns them.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.text.split_at(bytes);
        self.line += taken.matches('\n').count() as u64;
        self.text = rest;
        taken
    }

    fn next_row(&mut self) -> Result<Option<Row>, (u64, TableFault)> {
        while self.text.starts_with(['#', '\n']) || self.text.starts_with("\r\n") {
            self.take(self.text.find('\n').map_or(self.text.len(), |end| end + 1));
        }
        if self.text.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let mut cells = Vec::new();
        loop {
            let cell = if self.text.starts_with('"') {
                self.quoted_cell().map_err(|fault| (line, fault))?
            } else {
                self.bare_cell()
            };
            cells.push(cell);
            if self.text.starts_with('\t') {
                self.take(1);
                continue;
            }
            // A bare cell ends before its line break, a quoted one was checked to stand before it.
            self.take(self.text.find('\n').map_or(self.text.len(), |end| end + 1));
            return Ok(Some(Row { line, cells }));
        }
    }

    fn bare_cell(&mut self) -> String {
        let end = self.text.find(['\t', '\n']).unwrap_or(self.text.len());
        let ends_line = !self.text[end..].starts_with('\t');
        let cell = self.take(end);
        // The carriage return of a Windows line end, which is taken for no part of the cell.
        if ends_line { cell.strip_suffix('\r').unwrap_or(cell) } else { cell }.to_owned()
    }

    fn quoted_cell(&mut self) -> Result<String, TableFault> {
        self.take(1);
        let mut cell = String::new();
        loop {
            let quote = self.text.find('"').ok_or(TableFault::OpenQuote)?;
            cell.push_str(self.take(quote));
            self.take(1);
            if !self.text.starts_with('"') {
                break;
            }
            cell.push('"');
            self.take(1);
        }
        let ends = self.text.is_empty()
            || self.text == "\r"
            || ["\t", "\n", "\r\n"].iter().any(|end| self.text.starts_with(end));
        if ends { Ok(cell) } else { Err(TableFault::TextAfterQuote) }
    }
}

/// Writes one row.
pub(crate) fn write_row(to: &mut impl Write, cells: &[&str]) -> io::Result<()> {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            to.write_all(b"\t")?;
        }
        // An unquoted row that starts with `#` would be read as a comment, and an empty one not
        // at all.
        let quoted = cell.contains(['\t', '"', '\n', '\r'])
            || (index == 0 && (cell.is_empty() || cell.starts_with(['#', '\u{feff}'])));
        if quoted {
            write!(to, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            to.write_all(cell.as_bytes())?;
        }
    }
    to.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<(Table<'_>, Vec<Row>), CorpusError> {
        let mut table = Table::open("t.tsv", text.as_bytes(), &["a", "b"])?;
        let rows = table.next_rows(usize::MAX)?;
        assert_eq!(table.next_rows(1)?, []);
        Ok((table, rows))
    }

    fn fault(text: &str) -> (u64, TableFault) {
        match parse(text) {
            Err(CorpusError::Table { line, fault, .. }) => (line, fault),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn comments_empty_lines_a_byte_order_mark_and_windows_line_ends_are_passed_over() {
        let (table, rows) = parse("\u{feff}# note\r\nb\tx\ta\r\n\r\n# \"\n1\t\t\"2\"\r\n").unwrap();
        assert_eq!(rows, [Row { line: 5, cells: ["1", "", "2"].map(String::from).to_vec() }]);
        assert_eq!(table.cell(&rows[0], "a"), "2");
        assert_eq!(table.cell(&rows[0], "b"), "1");
    }

    #[test]
    fn line_numbers_count_the_breaks_inside_cells() {
        let (_, rows) = parse("a\tb\n\"1\n1\"\t2\n3\t4\n").unwrap();
        assert_eq!(rows[1].line, 4);
    }

    #[test]
    fn each_fault_is_named_with_its_line() {
        let text = String::from;
        let cases = [
            ("", 1, TableFault::NoHeader { expected: vec![text("a"), text("b")] }),
            ("# only this\n", 1, TableFault::NoHeader { expected: vec![text("a"), text("b")] }),
            (
                "\na\tc\n",
                2,
                TableFault::MissingColumns {
                    missing: vec![text("b")],
                    found: vec![text("a"), text("c")],
                },
            ),
            ("a\tb\ta\n", 1, TableFault::RepeatedColumn { name: text("a") }),
            ("a\tb\n1\t2\n1\n", 3, TableFault::Width { expected: 2, found: 1 }),
            ("a\tb\n1\t2\t3\n", 2, TableFault::Width { expected: 2, found: 3 }),
            ("a\tb\n1\t\"2\n\n", 2, TableFault::OpenQuote),
            ("a\tb\n\n\"Weird Al\" X\t2\n", 3, TableFault::TextAfterQuote),
        ];
        for (table, line, expected) in cases {
            assert_eq!(fault(table), (line, expected), "{table:?}");
        }
        let error = Table::open("t.tsv", b"a\tb\n1\t\xFF\n", &["a"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.tsv, line 2: found bytes that are not UTF-8; expected UTF-8 text"
        );
    }

    fn cell() -> impl Strategy<Value = String> {
        prop_oneof!["[\t\n\r\"#a \u{feff}]{0,6}", any::<String>()]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(rows in prop::collection::vec((cell(), cell()), 0..6)) {
            let mut bytes = Vec::new();
            write_row(&mut bytes, &["a", "b"]).unwrap();
            for (a, b) in &rows {
                write_row(&mut bytes, &[a, b]).unwrap();
            }
            let mut table = Table::open("t", &bytes, &["a", "b"]).unwrap();
            let back: Vec<_> = table
                .next_rows(usize::MAX)
                .unwrap()
                .iter()
                .map(|row| (row.cells[0].clone(), row.cells[1].clone()))
                .collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[\t\n\r\"#ab]{0,30}") {
            if let Ok((_, rows)) = parse(&text) {
                let widths: Vec<_> = rows.iter().map(|row| row.cells.len()).collect();
                prop_assert!(widths.windows(2).all(|pair| pair[0] == pair[1]));
            }
        }
    }
}
