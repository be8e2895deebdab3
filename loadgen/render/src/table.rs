//! Tables as plain data: columns, rows of cells, and a tone for good and bad news. Knows neither the meaning of a cell nor how a table is
//! written.

/// A table. The first column names the row.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The id for links and the style sheet; may be empty.
    pub id: &'static str,
    /// The title.
    pub title: String,
    /// How to read the table; may be empty.
    pub note: String,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows; each has as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// Whether Markdown folds the table, because it is long and rarely read.
    pub folded: bool,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// The heading; may be empty.
    pub heading: String,
    /// What the heading means; may be empty. A page shows it on hovering.
    pub explanation: String,
    /// The kind of cells.
    pub content: Content,
    /// The range of the cells' lanes; empty without lanes.
    pub scale: String,
}

/// The kind of a column's cells, which decides their alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Aligned to the right, on one line.
    Numbers,
    /// Aligned to the left; may wrap.
    Words,
    /// Names as in a file or on a command line: words that Markdown writes as code.
    Code,
}

/// A cell.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// Plain text; the writers escape it.
    pub text: String,
    /// Whether it is good or bad news.
    pub tone: Tone,
    /// Details in lines of plain text; may be empty. A page shows them on hovering.
    pub more: String,
    /// A picture on the column's scale as SVG, which a page shows instead of the text.
    pub lane: Option<String>,
}

/// Whether something is good or bad news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Neither.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Unknown.
    Unsure,
}

impl Tone {
    /// `Good` or `Bad`.
    pub fn of(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }

    /// The class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unsure => "unsure",
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

impl Cell {
    /// The same with a tone.
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// The same with details.
    pub fn more(self, more: String) -> Self {
        Self { more, ..self }
    }
}

impl Table {
    /// A table without columns yet.
    pub fn new(id: &'static str, title: impl Into<String>) -> Self {
        Self {
            id,
            title: title.into(),
            ..Self::default()
        }
    }

    /// Sets how to read the table.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Adds columns with these headings to the right.
    pub fn columns<H: Into<String>>(
        mut self,
        content: Content,
        headings: impl IntoIterator<Item = H>,
    ) -> Self {
        self.columns
            .extend(headings.into_iter().map(|heading| Column {
                heading: heading.into(),
                explanation: String::new(),
                content,
                scale: String::new(),
            }));
        self
    }

    /// Adds columns of words.
    pub fn words<H: Into<String>>(self, headings: impl IntoIterator<Item = H>) -> Self {
        self.columns(Content::Words, headings)
    }

    /// Adds columns of numbers.
    pub fn numbers<H: Into<String>>(self, headings: impl IntoIterator<Item = H>) -> Self {
        self.columns(Content::Numbers, headings)
    }

    /// Sets what the last column's heading means.
    pub fn explained(mut self, explanation: impl Into<String>) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.explanation = explanation.into();
        }
        self
    }

    /// Adds a row.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The same with these rows.
    pub fn rows<C: Into<Cell>, R: IntoIterator<Item = C>>(
        mut self,
        rows: impl IntoIterator<Item = R>,
    ) -> Self {
        rows.into_iter().for_each(|row| self.row(row));
        self
    }

    /// Whether any column has a heading.
    pub fn has_headings(&self) -> bool {
        self.columns.iter().any(|column| !column.heading.is_empty())
    }
}
