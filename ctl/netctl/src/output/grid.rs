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
    /// Titles of the columns to do without on a narrow screen, the first one first.
    spare: &'static [&'static str],
    has_header: bool,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// A table with a header.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), spare: &[], has_header: true, rows: Vec::new() }
    }

    /// Names and values, without a header.
    pub(crate) fn facts() -> Self {
        let columns = vec![Column::Left("name"), Column::Left("value")];
        Self { columns, spare: &[], has_header: false, rows: Vec::new() }
    }

    /// The table without these columns where a screen is too narrow for all, the first one first.
    pub(crate) fn spare(self, titles: &'static [&'static str]) -> Self {
        Self { spare: titles, ..self }
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
        let mut fit = Fit { columns: (0..self.columns.len()).collect(), gap: GAP };
        if let Some(width) = look.width {
            table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
            fit = self.fit(width);
        }
        if self.has_header {
            table.set_header(fit.columns.iter().filter_map(|it| self.columns.get(*it)).map(title));
        }
        for row in &self.rows {
            table.add_row(fit.columns.iter().filter_map(|it| row.get(*it)).map(painted));
        }
        self.align(&fit, &mut table);
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// The columns that there is room for: first the gaps shrink, then what can be spared goes, then what is
    /// furthest to the right. A row that is broken by the screen can be read by nobody.
    fn fit(&self, width: u16) -> Fit {
        let mut fit = Fit { columns: (0..self.columns.len()).collect(), gap: GAP };
        if !self.has_header {
            return fit;
        }
        while self.least(&fit) > usize::from(width) && fit.gap > 0 {
            fit.gap -= 1;
        }
        let mut spare = self.spare.iter();
        while self.least(&fit) > usize::from(width) && fit.columns.len() > COLUMNS_MIN {
            let spared = spare
                .next()
                .map(|name| fit.columns.iter().position(|it| self.columns[*it].title() == *name));
            match spared {
                Some(Some(place)) => drop(fit.columns.remove(place)),
                Some(None) => {}
                None => drop(fit.columns.pop()),
            }
        }
        fit
    }

    /// How wide the table is at the least.
    fn least(&self, fit: &Fit) -> usize {
        let gaps = fit.columns.len().saturating_sub(1) * usize::from(fit.gap + 1);
        fit.columns.iter().map(|index| self.least_of(*index)).sum::<usize>() + gaps
    }

    /// How wide a column is at the least: numbers and short words are never broken.
    fn least_of(&self, index: usize) -> usize {
        let Some(column) = self.columns.get(index) else { return 0 };
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0);
        let whole = widest.max(column.title().chars().count());
        match column {
            Column::Left(_) if whole > WORDS_WIDTH => WORDS_WIDTH,
            _ => whole,
        }
    }

    fn align(&self, fit: &Fit, table: &mut Table) {
        let last = fit.columns.len().saturating_sub(1);
        for (place, (column, index)) in table.column_iter_mut().zip(&fit.columns).enumerate() {
            let gap = if place == last { 0 } else { fit.gap };
            column.set_padding((0, gap));
            match self.columns.get(*index) {
                Some(Column::Right(_)) => {
                    column.set_cell_alignment(CellAlignment::Right);
                    // A number that is broken over two lines is two numbers.
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
                _ if self.has_header => {
                    let least = u16::try_from(self.least_of(*index)).unwrap_or(u16::MAX);
                    let least = Width::Fixed(least.saturating_add(gap));
                    column.set_constraint(ColumnConstraint::LowerBoundary(least));
                }
                _ => {}
            }
        }
        if let (false, Some(names)) = (self.has_header, table.column_mut(0)) {
            names.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(FACT_NAME_WIDTH)));
        }
    }
}

/// The columns that are shown, and what is between them.
struct Fit {
    columns: Vec<usize>,
    gap: u16,
}

impl Column {
    fn title(&self) -> &'static str {
        let (Self::Left(title) | Self::Right(title)) = self;
        title
    }
}

/// Words of this width are broken over several lines where there is no room; shorter ones never.
const WORDS_WIDTH: usize = 22;
/// Columns that are left, however narrow the screen.
const COLUMNS_MIN: usize = 2;
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
    comfy_table::Cell::new(column.title()).add_attribute(Attribute::Bold)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(width: u16) -> Vec<String> {
        let columns = ["SENT", "MEAN", "MAX"].map(Column::Right);
        let columns = [&[Column::Left("CACHE")], &columns[..], &[Column::Left("WHY")]].concat();
        let mut grid = Grid::new(&columns).spare(&["MAX", "MEAN"]);
        let why = "it was asked for so often that it stays for as long as it can";
        for number in ["1,234", "123,456"] {
            let cells = ["REVALIDATED", number, number, number, why];
            grid.row(cells.map(Cell::from));
        }
        let look = Look { width: Some(width), ..Look::default() };
        grid.render(look).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_narrow_screen_breaks_no_word_and_no_row() {
        for width in [30, 44, 60, 80, 200] {
            for line in lines(width) {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
            let text = lines(width).join("\n");
            assert!(text.contains("REVALIDATED") && text.contains("123,456"), "{text}");
        }
        assert!(lines(80)[0].contains("MAX"));
        let narrow = lines(54);
        assert!(narrow[0].contains("MEAN") && !narrow[0].contains("MAX"), "{narrow:?}");
    }
}
