//! A table of cells: header, rule, rows; numbers to the right.

use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, ContentLineStyle,
    LineStyle, Table, TableStyle, Width,
};

use super::page::harmless;
use crate::console::Look;

/// A column's title, and which side its cells keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// Text.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// What a cell tells beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong.
    Bad,
    /// Beside the point.
    Faint,
    /// What the eye should find first.
    Strong,
}

/// The text of one cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with a tone.
    pub(crate) fn toned(text: impl ToString, tone: Tone) -> Self {
        Self { text: text.to_string(), tone }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Rows under columns.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    columns: Vec<Column>,
    has_header: bool,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// A table with a header.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), has_header: true, rows: Vec::new() }
    }

    /// Names and values, without a header.
    pub(crate) fn facts() -> Self {
        let columns = vec![Column::Left("name"), Column::Left("value")];
        Self { columns, has_header: false, rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a name and its value.
    pub(crate) fn fact(&mut self, name: &str, value: impl Into<Cell>) {
        self.row([Cell::toned(name, Tone::Faint), value.into()]);
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, a line for each row.
    pub(crate) fn render(&self, look: Look) -> String {
        let mut table = Table::new();
        table.load_style(STYLE);
        if look.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if let Some(width) = look.width {
            table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
        }
        if self.has_header {
            table.set_header(self.columns.iter().map(title));
        }
        for row in &self.rows {
            table.add_row(row.iter().map(painted));
        }
        self.align(&mut table);
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    fn align(&self, table: &mut Table) {
        let last = self.columns.len().saturating_sub(1);
        for (index, (column, kind)) in table.column_iter_mut().zip(&self.columns).enumerate() {
            column.set_padding((0, if index == last { 0 } else { GAP }));
            if let Column::Right(_) = kind {
                column.set_cell_alignment(CellAlignment::Right);
                // A number that is broken over two lines is two numbers.
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        if let (false, Some(names)) = (self.has_header, table.column_mut(0)) {
            names.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(FACT_NAME_WIDTH)));
        }
    }
}

/// Columns between two cells, beside the one where a border would be.
const GAP: u16 = 2;
/// A rule under the header, and no borders.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction(' '))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none().junction(' '));
/// Columns for the name of a fact, so that the values of blocks below each other line up.
const FACT_NAME_WIDTH: u16 = 14 + GAP;

fn title(column: &Column) -> comfy_table::Cell {
    let (Column::Left(title) | Column::Right(title)) = column;
    comfy_table::Cell::new(title).add_attribute(Attribute::Bold)
}

fn painted(cell: &Cell) -> comfy_table::Cell {
    let painted = comfy_table::Cell::new(harmless(&cell.text));
    match cell.tone {
        Tone::Plain => painted,
        Tone::Good => painted.fg(Color::Green),
        Tone::Warning => painted.fg(Color::Yellow),
        Tone::Bad => painted.fg(Color::Red),
        Tone::Faint => painted.add_attribute(Attribute::Dim),
        Tone::Strong => painted.add_attribute(Attribute::Bold),
    }
}
