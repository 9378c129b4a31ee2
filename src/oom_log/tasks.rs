//! The table of candidates that the kernel dumps before it kills: its columns differ by version and are taken from its
//! header line. Refuses a row that is cut: a number without the blank behind it may be half a number.

use super::cursor::Cursor;
use super::episode::Name;
use crate::units::{Bytes, Pages, Pid};

/// Rows that are kept of one table; a longer one is counted (see [`Tasks::left_out`]).
pub const MOST_ROWS: usize = 65_536;

/// The columns between `total_vm` and the name, as far as any kernel had them.
const MOST_COLUMNS: usize = 10;

/// Bytes in which a name ends: what is longer is for the reader of any line.
const LONGEST_NAME: usize = 256;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Uid,
    Tgid,
    TotalVm,
    Rss,
    Anon,
    File,
    Shmem,
    /// Pages of page tables (before 4.15), possibly in several columns: `nr_ptes nr_pmds`.
    TablePages,
    /// Bytes of page tables (4.15 and newer).
    TableBytes,
    Swap,
    Adj,
    /// `cpu`, `oom_adj` (before 3.8).
    Other,
}

/// The columns of a table, from its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    kinds: [Column; MOST_COLUMNS],
    count: usize,
}

impl Columns {
    /// From `[ pid ]   uid  tgid total_vm      rss ... name`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(text);
        cursor.tag(b"[")?;
        cursor.blanks();
        cursor.tag(b"pid")?;
        cursor.blanks();
        cursor.tag(b"]")?;
        let mut columns = Self { kinds: [Column::Other; MOST_COLUMNS], count: 0 };
        for word in cursor.0.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
            let kind = match word {
                b"uid" => Column::Uid,
                b"tgid" => Column::Tgid,
                b"total_vm" => Column::TotalVm,
                b"rss" => Column::Rss,
                b"rss_anon" => Column::Anon,
                b"rss_file" => Column::File,
                b"rss_shmem" => Column::Shmem,
                b"nr_ptes" | b"nr_pmds" | b"nr_puds" => Column::TablePages,
                b"pgtables_bytes" => Column::TableBytes,
                b"swapents" => Column::Swap,
                b"oom_score_adj" => Column::Adj,
                b"name" => {
                    let needed = [Column::Tgid, Column::TotalVm, Column::Rss];
                    return needed.iter().all(|column| columns.has(*column)).then_some(columns);
                }
                _ => Column::Other,
            };
            *columns.kinds.get_mut(columns.count)? = kind;
            columns.count += 1;
        }
        None // the header was cut: which columns follow is not known
    }

    fn kinds(&self) -> &[Column] {
        &self.kinds[..self.count]
    }

    fn has(&self, column: Column) -> bool {
        self.kinds().contains(&column)
    }

    /// From `[  125]     0   125     7270     7180 ... trig`; `complete`: the line was not cut at the end of the file.
    pub fn row(&self, text: &[u8], complete: bool) -> Option<Candidate> {
        let mut cursor = Cursor(text);
        let mut row = self.numbers(&mut cursor)?;
        row.name = Name::new(cursor.0);
        complete.then_some(row)
    }

    /// A row that other lines follow, and how long it is: its end need not be looked for before it is read.
    pub fn row_ahead(&self, ahead: &[u8]) -> Option<(Candidate, usize)> {
        let mut cursor = Cursor(ahead);
        let mut row = self.numbers(&mut cursor)?;
        let name = &cursor.0[..cursor.0.len().min(LONGEST_NAME)];
        let end = name.iter().position(|byte| *byte == b'\n')?;
        row.name = Name::new(name[..end].trim_ascii_end());
        (!row.name.as_bytes().is_empty()).then_some((row, ahead.len() - cursor.0.len() + end))
    }

    /// A row but for its name.
    #[inline]
    fn numbers(&self, cursor: &mut Cursor<'_>) -> Option<Candidate> {
        cursor.tag(b"[")?;
        cursor.blanks();
        let pid = Pid(cursor.unsigned_32()?);
        cursor.tag(b"]")?;
        let mut row = Candidate { pid, tgid: pid, ..Candidate::default() };
        for column in self.kinds() {
            if cursor.0.first() != Some(&b' ') {
                return None;
            }
            cursor.blanks();
            match column {
                Column::Uid => row.uid = cursor.unsigned_32()?,
                Column::Tgid => row.tgid = Pid(cursor.unsigned_32()?),
                Column::TotalVm => row.total_vm = Pages(cursor.unsigned()?),
                Column::Rss => row.rss = Pages(cursor.unsigned()?),
                Column::Anon => row.anon = Some(Pages(cursor.unsigned()?)),
                Column::File => row.file = Some(Pages(cursor.unsigned()?)),
                Column::Shmem => row.shmem = Some(Pages(cursor.unsigned()?)),
                Column::Swap => row.swap = Some(Pages(cursor.unsigned()?)),
                Column::TableBytes => row.page_tables = PageTables::Bytes(Bytes(cursor.unsigned()?)),
                Column::TablePages => {
                    let before = if let PageTables::Pages(pages) = row.page_tables { pages.0 } else { 0 };
                    row.page_tables = PageTables::Pages(Pages(before.saturating_add(cursor.unsigned()?)));
                }
                Column::Adj => row.oom_score_adj = Some(i16::try_from(cursor.signed()?).ok()?),
                Column::Other => _ = cursor.signed()?,
            }
        }
        cursor.tag(b" ")?;
        Some(row)
    }
}

/// Page tables as the table has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageTables {
    /// It does not (before 3.8).
    #[default]
    Unknown,
    /// `nr_ptes` + `nr_pmds`.
    Pages(Pages),
    /// `pgtables_bytes`.
    Bytes(Bytes),
}

/// A row: a process that was looked at. Sizes are pages of the machine's page size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// A thread of it that has memory: the leader, unless that is dead.
    pub pid: Pid,
    /// The process.
    pub tgid: Pid,
    /// Its owner.
    pub uid: u32,
    /// Its name.
    pub name: Name,
    /// Virtual size.
    pub total_vm: Pages,
    /// In RAM.
    pub rss: Pages,
    /// Of it, anonymous (6.8 and newer).
    pub anon: Option<Pages>,
    /// Of it, files.
    pub file: Option<Pages>,
    /// Of it, shared memory.
    pub shmem: Option<Pages>,
    /// Page tables.
    pub page_tables: PageTables,
    /// Swapped out (3.8 and newer).
    pub swap: Option<Pages>,
    /// oom_score_adj.
    pub oom_score_adj: Option<i16>,
}

/// The table of one dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// In the order of the dump, which is the order in which the kernel looks.
    pub rows: Vec<Candidate>,
    /// How many more the dump had than are kept here.
    pub left_out: u64,
}

impl Tasks {
    /// The row of a process, by the number of the process or of the thread that is printed.
    #[must_use]
    pub fn of(&self, pid: Pid) -> Option<&Candidate> {
        self.rows.iter().find(|row| row.pid == pid).or_else(|| self.rows.iter().find(|row| row.tgid == pid))
    }

    pub(super) fn push(&mut self, row: Candidate) {
        if self.rows.len() < MOST_ROWS {
            self.rows.push(row);
        } else {
            self.left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(header: &str, row: &str) -> Option<Candidate> {
        Columns::parse(header.as_bytes()).expect("a header").row(row.as_bytes(), true)
    }

    #[test]
    fn columns_come_from_the_header_of_any_kernel() {
        let old = row(
            "[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name",
            "[24449]    48 24449    31749     2342   1       0             0 httpd.worker",
        )
        .expect("a row");
        assert_eq!((old.rss, old.swap, old.page_tables), (Pages(2342), None, PageTables::Unknown));
        let split = row(
            "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name",
            "[  105]     0   105     2125     2025       7       3        9           674 h1_1",
        )
        .expect("a row");
        assert_eq!((split.page_tables, split.swap), (PageTables::Pages(Pages(10)), Some(Pages(9))));
        let new = row(
            "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name",
            "[   5294]     0  5293    26227     7663     7488      175         0   106496        0         -1000 a) b,pid=1 [x",
        )
        .expect("a row");
        assert_eq!((new.pid, new.tgid, new.oom_score_adj), (Pid(5294), Pid(5293), Some(-1000)));
        assert_eq!((new.anon, new.page_tables), (Some(Pages(7488)), PageTables::Bytes(Bytes(106_496))));
        assert_eq!(new.name.as_bytes(), b"a) b,pid=1 [x");
    }

    #[test]
    fn a_cut_row_or_header_gives_nothing() {
        let header = "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name";
        let whole = "[ 5450]     0  5450   717445    76878     165        0             0 mem_use";
        for end in 0..whole.len() - "mem_use".len() {
            assert_eq!(row(header, &whole[..end]), None, "{:?}", &whole[..end]);
        }
        for end in 0..header.len() {
            assert_eq!(Columns::parse(&header.as_bytes()[..end]), None);
        }
        assert_eq!(Columns::parse(header.as_bytes()).expect("a header").row(whole.as_bytes(), false), None);
    }
}
