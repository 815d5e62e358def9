//! What is stored, in order of its keys (those of one URL beside each other) and by its tags, so that it can be found by prefix and by tag
//! without a look at all of it.
//!
//! No hit ever touches it. It follows the store: after every change of what is stored under a key, whoever
//! made the change calls [`Index::sync`], which compares under a lock of its own what is indexed with what is
//! stored, and makes good the difference. Whichever of two such calls comes last sees the state
//! that both changes left, so the index neither keeps what is gone nor lacks what is there.
//!
//! It is read in steps: each takes one lock at a time, for at most [`STEP`] keys.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map, hash_map},
    hash::{BuildHasher, Hash},
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use foldhash::fast::RandomState;
use selat_core::cache::key::CacheKey;

use super::{
    selection::{Selection, Which},
    tags::{Tag, Tags},
};

/// Locks of the keys, and again of the tags.
const SHARDS: usize = 32;

/// Keys that are looked at in one step.
pub(crate) const STEP: usize = 128;

/// Keys with the tags of what is stored under them.
type Keys = BTreeMap<CacheKey, Tags>;

/// Keys by tag.
type Tagged = HashMap<Tag, BTreeSet<CacheKey>, RandomState>;

/// The keys of all that is stored.
#[derive(Debug)]
pub(crate) struct Index {
    hasher: RandomState,
    keys: Box<[Mutex<Keys>]>,
    tags: Box<[Mutex<Tagged>]>,
}

/// How far a reader is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    shard: usize,
    last: Option<CacheKey>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            keys: (0..SHARDS).map(|_| Mutex::default()).collect(),
            tags: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Makes the index say of `key` what `stored` says: the tags of what is stored under it, or
    /// `None` where nothing is. `stored` must not hold or take a lock of the index.
    pub(crate) fn sync(&self, key: &CacheKey, stored: impl FnOnce() -> Option<Tags>) {
        let mut keys = lock(&self.keys[self.shard(key.base())]);
        match (keys.entry(key.clone()), stored()) {
            (btree_map::Entry::Vacant(_), None) => {}
            (btree_map::Entry::Vacant(place), Some(now)) => {
                self.retag(key, &Tags::default(), &now);
                place.insert(now);
            }
            (btree_map::Entry::Occupied(place), None) => {
                self.retag(key, &place.remove(), &Tags::default());
            }
            (btree_map::Entry::Occupied(mut place), Some(now)) => {
                if *place.get() != now {
                    self.retag(key, place.get(), &now);
                    place.insert(now);
                }
            }
        }
    }

    /// The next keys, at most [`STEP`], under which something may be meant; `None` after the last.
    pub(crate) fn next(&self, selection: &Selection, cursor: &mut Cursor) -> Option<Vec<CacheKey>> {
        let route = selection.route.as_deref();
        let mut found = match &selection.which {
            Which::Resource(base) => return self.next_of(base, cursor),
            Which::Tag(tag) => self.next_tagged(tag, cursor),
            Which::Prefix(prefix) => self.next_from(route, prefix, cursor),
            Which::All | Which::Pattern(_) | Which::Unreachable(_) => {
                self.next_from(route, "", cursor)
            }
        }?;
        found.retain(|key| selection.may_match(key));
        Some(found)
    }

    /// Keys that it holds, and tags that at least one of them has.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let keys = self.keys.iter().map(|shard| lock(shard).len()).sum();
        (keys, self.tags.iter().map(|shard| lock(shard).len()).sum())
    }

    /// The next keys of one URL.
    fn next_of(&self, base: &CacheKey, cursor: &mut Cursor) -> Option<Vec<CacheKey>> {
        let keys = lock(&self.keys[self.shard(base.as_str())]);
        let range = keys.range::<str, _>((from(base.as_str(), cursor), Bound::Unbounded));
        let within = range.map(|(key, _)| key).take_while(|key| key.base() == base.as_str());
        let found: Vec<CacheKey> = within.take(STEP).cloned().collect();
        cursor.last = Some(found.last()?.clone());
        Some(found)
    }

    /// The next keys whose URL starts with `prefix`, of one route or of all.
    fn next_from(
        &self,
        route: Option<&str>,
        prefix: &str,
        cursor: &mut Cursor,
    ) -> Option<Vec<CacheKey>> {
        while let Some(shard) = self.keys.get(cursor.shard) {
            let found = next_within(&lock(shard), route, prefix, cursor.last.as_ref());
            if let Some(last) = found.last() {
                cursor.last = Some(last.clone());
                return Some(found);
            }
            *cursor = Cursor { shard: cursor.shard + 1, last: None };
        }
        None
    }

    fn next_tagged(&self, tag: &Tag, cursor: &mut Cursor) -> Option<Vec<CacheKey>> {
        let tags = lock(&self.tags[self.shard(tag)]);
        let range = tags.get(tag)?.range::<str, _>((from("", cursor), Bound::Unbounded));
        let found: Vec<CacheKey> = range.take(STEP).cloned().collect();
        cursor.last = Some(found.last()?.clone());
        Some(found)
    }

    fn retag(&self, key: &CacheKey, before: &Tags, now: &Tags) {
        for gone in before.iter().filter(|tag| !now.contains(tag)) {
            let mut tags = lock(&self.tags[self.shard(gone)]);
            if let hash_map::Entry::Occupied(mut keys) = tags.entry(gone.clone()) {
                keys.get_mut().remove(key);
                if keys.get().is_empty() {
                    keys.remove();
                }
            }
        }
        for new in now.iter().filter(|tag| !before.contains(tag)) {
            lock(&self.tags[self.shard(new)]).entry(new.clone()).or_default().insert(key.clone());
        }
    }

    fn shard<Q: Hash + ?Sized>(&self, of: &Q) -> usize {
        // The remainder is less than SHARDS.
        (self.hasher.hash_one(of) % SHARDS as u64) as usize
    }
}

/// The first keys after `last` whose URL starts with `prefix`. The keys of a route stand together, in order of
/// their URLs: what lies between two routes' is skipped.
fn next_within(
    keys: &Keys,
    route: Option<&str>,
    prefix: &str,
    last: Option<&CacheKey>,
) -> Vec<CacheKey> {
    let mut at = match (last, route) {
        (Some(last), _) => Bound::Excluded(last.as_str().to_owned()),
        (None, Some(route)) => Bound::Included(format!("{route} {prefix}")),
        (None, None) => Bound::Unbounded,
    };
    let mut found = Vec::new();
    while found.len() < STEP {
        let range = keys.range::<str, _>((at.as_ref().map(String::as_str), Bound::Unbounded));
        let mut range = range.map(|(key, _)| key).peekable();
        let Some(next) = range.peek() else { break };
        let namespace = next.namespace();
        if route.is_some_and(|route| route != namespace) {
            break;
        }
        let start = format!("{namespace} {prefix}");
        // "!" is what follows the space: the first route after this one.
        let end = format!("{namespace}!");
        at = if next.as_str() < start.as_str() {
            Bound::Included(start)
        } else {
            let within = range.take_while(|key| key.as_str().starts_with(&start));
            found.extend(within.take(STEP - found.len()).cloned());
            Bound::Included(end)
        };
    }
    found
}

/// Where a reader goes on: after what it saw last, else where `prefix` begins.
fn from<'a>(prefix: &'a str, cursor: &'a Cursor) -> Bound<&'a str> {
    cursor.last.as_ref().map_or(Bound::Included(prefix), |last| Bound::Excluded(last.as_str()))
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
