//! One statement with many rows: a round trip to the database costs more than a row.

use std::sync::OnceLock;

use super::{link::Link, row::Row, value::Value};
use crate::StoreError;

/// Rows of one statement. What is left over after the largest goes into the next smaller ones, so that the database sees few texts,
/// and prepares each once.
const SIZES: [usize; 3] = [64, 8, 1];

/// An INSERT whose rows are given when it is run.
pub(crate) struct Many {
    head: &'static str,
    /// One row, with `?` for each argument.
    row: &'static str,
    tail: &'static str,
    texts: OnceLock<[String; SIZES.len()]>,
}

impl Many {
    pub(crate) const fn new(head: &'static str, row: &'static str, tail: &'static str) -> Self {
        Self {
            head,
            row,
            tail,
            texts: OnceLock::new(),
        }
    }

    /// Runs it for all of `rows`, each with the arguments of one row; gives what the statements answer with.
    pub(crate) async fn rows(&'static self, link: &mut Link, rows: Vec<Vec<Value>>) -> Result<Vec<Row>, StoreError> {
        let mut answers = vec![];
        let mut left = rows.into_iter();
        for (size, text) in SIZES.iter().zip(self.texts()) {
            while left.len() >= *size {
                let args: Vec<Value> = left.by_ref().take(*size).flatten().collect();
                answers.extend(link.rows(text, &args).await?);
            }
        }
        Ok(answers)
    }

    /// The statements, the largest first.
    pub(crate) fn texts(&'static self) -> &'static [String; SIZES.len()] {
        self.texts.get_or_init(|| SIZES.map(|size| self.text(size)))
    }

    fn text(&self, rows: usize) -> String {
        let mut number = 0;
        let mut text = self.head.to_owned();
        for row in 0..rows {
            text.push_str(if row == 0 { " " } else { ", " });
            for c in self.row.chars() {
                if c == '?' {
                    number += 1;
                    text.push('$');
                    text.push_str(&number.to_string());
                } else {
                    text.push(c);
                }
            }
        }
        text.push(' ');
        text.push_str(self.tail);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_numbered_through_all_rows() {
        static TWO: Many = Many::new(
            "INSERT INTO t (a, b, c) VALUES",
            "(?, 'x', ?)",
            "ON CONFLICT DO NOTHING",
        );
        assert_eq!(
            TWO.text(2),
            "INSERT INTO t (a, b, c) VALUES ($1, 'x', $2), ($3, 'x', $4) ON CONFLICT DO NOTHING"
        );
    }
}
