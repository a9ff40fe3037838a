//! What is remembered in memory so that it is not done twice: verified passes and changed pages. Bounded, and exact: a page is
//! compared byte for byte, so that a reader can never get another one's.

use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasher,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use foldhash::quality::RandomState;
use latchkey_token::PassClaims;
use tokio::time::Instant;

use crate::limits::{MAX_MEMO_PAGE_BYTES, MAX_PASS_MEMO, MEMO_LIFE};

/// SHA-256 of a token.
pub(crate) type TokenHash = [u8; 32];
/// Pages whose first sight is remembered.
const MAX_SEEN: usize = 8 * 1024;

/// Claims of a pass whose signature held; `None` for a token that never will.
pub(crate) type Known = Option<Arc<PassClaims>>;

#[derive(Default)]
struct Generations {
    young: HashMap<TokenHash, Known>,
    old: HashMap<TokenHash, Known>,
}

/// Passes that were verified under one bundle. Two generations: what was not asked for during one of them is forgotten.
#[derive(Default)]
pub(crate) struct PassMemo(Mutex<Generations>);

impl PassMemo {
    pub(crate) fn get(&self, hash: &TokenHash) -> Option<Known> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.young.get(hash) {
            return Some(known.clone());
        }
        let known = generations.old.remove(hash)?;
        generations.insert(*hash, known.clone());
        Some(known)
    }

    pub(crate) fn put(&self, hash: TokenHash, known: Known) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(hash, known);
    }
}

impl Generations {
    fn insert(&mut self, hash: TokenHash, known: Known) {
        if self.young.len() >= MAX_PASS_MEMO / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, known);
    }
}

/// What a changed page depends on beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    pub(crate) variant: String,
    pub(crate) class: String,
    pub(crate) url: String,
    pub(crate) charset: Option<String>,
    pub(crate) framed: bool,
}

struct Page {
    key: PageKey,
    original: Bytes,
    changed: Bytes,
    at: Instant,
}

impl Page {
    fn size(&self) -> usize {
        self.original.len().saturating_add(self.changed.len())
    }
}

#[derive(Default)]
struct Pages {
    held: HashMap<u64, Page>,
    order: VecDeque<u64>,
    bytes: usize,
    seen: VecDeque<u64>,
}

/// Changed pages, admitted when they are seen for the second time.
///
/// Each whole page is hashed at each request, so that the hash is one for long inputs. That two pages with the same hash are
/// told apart rests on the comparison of their bytes, never on the hash.
pub(crate) struct PageMemo {
    hasher: RandomState,
    max_bytes: usize,
    pages: Mutex<Pages>,
}

impl PageMemo {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            max_bytes,
            pages: Mutex::default(),
        }
    }

    fn hash(&self, key: &PageKey, original: &[u8]) -> u64 {
        self.hasher.hash_one((key, original))
    }

    /// The page as it was changed before, if the original is the same to the byte.
    pub(crate) fn get(&self, key: &PageKey, original: &[u8]) -> Option<Bytes> {
        if self.max_bytes == 0 {
            return None;
        }
        let hash = self.hash(key, original);
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let page = pages.held.get(&hash)?;
        let same = page.key == *key && page.original == original && page.at.elapsed() < MEMO_LIFE;
        same.then(|| page.changed.clone())
    }

    /// Remembers a changed page, if it was offered before.
    pub(crate) fn offer(&self, key: PageKey, original: &Bytes, changed: &Bytes) {
        let size = original.len().saturating_add(changed.len());
        if size > MAX_MEMO_PAGE_BYTES || size > self.max_bytes {
            return;
        }
        let hash = self.hash(&key, original);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if !pages.seen.contains(&hash) && !pages.held.contains_key(&hash) {
            pages.seen.push_back(hash);
            if pages.seen.len() > MAX_SEEN {
                pages.seen.pop_front();
            }
            return;
        }
        pages.forget(hash);
        while pages.bytes.saturating_add(size) > self.max_bytes {
            match pages.order.pop_front() {
                Some(oldest) => pages.forget(oldest),
                None => break,
            }
        }
        let page = Page {
            key,
            original: original.clone(),
            changed: changed.clone(),
            at: Instant::now(),
        };
        pages.bytes = pages.bytes.saturating_add(size);
        pages.held.insert(hash, page);
        pages.order.push_back(hash);
    }
}

impl Pages {
    fn forget(&mut self, hash: u64) {
        if let Some(page) = self.held.remove(&hash) {
            self.bytes = self.bytes.saturating_sub(page.size());
            self.order.retain(|other| *other != hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(url: &str) -> PageKey {
        PageKey {
            variant: "v".to_owned(),
            class: "ad_free".to_owned(),
            url: url.to_owned(),
            charset: None,
            framed: false,
        }
    }

    #[test]
    fn a_page_is_remembered_on_second_sight_and_only_for_the_same_bytes_and_key() {
        let memo = PageMemo::new(1000);
        let (original, changed) = (Bytes::from_static(b"page"), Bytes::from_static(b"less"));
        memo.offer(key("/a"), &original, &changed);
        assert_eq!(memo.get(&key("/a"), b"page"), None);
        memo.offer(key("/a"), &original, &changed);
        assert_eq!(memo.get(&key("/a"), b"page"), Some(changed));
        assert_eq!(memo.get(&key("/b"), b"page"), None);
        assert_eq!(memo.get(&key("/a"), b"pagE"), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let memo = PageMemo::new(250);
        for page in ["/a", "/b", "/c", "/a", "/b", "/c"] {
            memo.offer(key(page), &Bytes::from(vec![1; 50]), &Bytes::from(vec![2; 50]));
        }
        let held: Vec<bool> = ["/a", "/b", "/c"]
            .map(|page| memo.get(&key(page), &[1; 50]).is_some())
            .to_vec();
        assert_eq!(held, [false, true, true]);
        assert_eq!(memo.pages.lock().unwrap().bytes, 200);
    }
}
