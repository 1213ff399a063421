//! Rows as they come: for people at once, for programs as one list at the end.

use crate::row::{Column, Row};
use crate::targets::Place;
use crate::{Failure, exit, print};

/// The rows of a command.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(Column, usize)>,
    json: Option<Vec<Row>>,
    worst: u8,
    begun: bool,
    places: usize,
}

impl Table {
    /// A table of the domains at `places` with the columns `columns`, of which that of the URI is left out where there is one
    /// libvirt only.
    pub fn new(columns: &[Column], places: &[Place], json: bool) -> Self {
        let names =
            || places.iter().flat_map(|place| &place.domains).map(|domain| domain.name.chars().count());
        let uris = || places.iter().map(|place| place.connection.uri().chars().count());
        let columns = columns
            .iter()
            .filter(|&&column| column != Column::Uri || places.len() > 1)
            .map(|&column| {
                let longest = match column {
                    Column::Domain => names().max(),
                    Column::Uri => uris().max(),
                    _ => None,
                };
                (column, column.width().max(longest.unwrap_or(0)))
            })
            .collect();
        Self { columns, json: json.then(Vec::new), worst: 0, begun: false, places: places.len() }
    }

    /// Tells one row.
    pub fn tell(&mut self, row: Row) -> Result<(), Failure> {
        self.worst = self.worst.max(row.exit());
        if let Some(rows) = &mut self.json {
            rows.push(row);
            return Ok(());
        }
        if !self.begun {
            self.begun = true;
            self.line(|column| column.heading().to_owned())?;
        }
        self.line(|column| row.cell(column))?;
        row.diff().map_or(Ok(()), |diff| print(diff).map(drop))
    }

    fn line(&self, cell: impl Fn(Column) -> String) -> Result<(), Failure> {
        let cells: Vec<String> = self
            .columns
            .iter()
            .map(|&(column, width)| {
                let cell = cell(column);
                format!("{cell:<width$}")
            })
            .collect();
        print(&(cells.join("  ").trim_end().to_owned() + "\n")).map(drop)
    }

    /// Ends the table; the exit code is that of the worst row.
    pub fn end(self) -> Result<u8, Failure> {
        if let Some(rows) = self.json {
            let text = serde_json::to_string_pretty(&rows)
                .map_err(|error| Failure { code: exit::IO_FAILED, message: error.to_string() })?;
            print(&(text + "\n"))?;
        } else if !self.begun && self.places > 0 {
            eprintln!("ivring-vm-config: there is no domain");
        }
        Ok(self.worst)
    }
}
