//! A website to serve: thousands of files of mixed types and sizes, the same every time.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::Hasher,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::binaries::kept;

/// Name of the kept copy; it changes when what is generated changes.
const KEPT: &str = "site-1";
const SEED: u64 = 0x5e1a7;
const SMALL_FILES: usize = 2_200;
/// Bytes of the few large files.
const LARGE: [usize; 6] = [1 << 20, 2 << 20, 4 << 20, 8 << 20, 16 << 20, 64 << 20];
const EXTENSIONS: [&str; 8] = ["html", "css", "js", "json", "svg", "png", "woff2", "bin"];

/// One file of the site.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Path of the URL, with its slash.
    pub path: String,
    /// Bytes.
    pub len: u64,
    /// [`hash`] of its contents.
    pub hash: u64,
}

/// The files of the site, and where they are.
#[derive(Debug)]
pub struct Site {
    /// Directory to serve.
    pub root: PathBuf,
    /// Every file in it.
    pub entries: Vec<Entry>,
}

impl Site {
    /// The site, made once and kept under `target/`.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SITE: OnceLock<Site> = OnceLock::new();
        SITE.get_or_init(|| {
            let root = kept(KEPT);
            if !root.is_dir() {
                make(&root);
            }
            let entries = files().into_iter().map(|(path, _)| entry(&root, path)).collect();
            Self { root, entries }
        })
    }
}

/// A number that tells contents apart.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Writes the site beside its place first, so that half a site is never taken for a whole one.
fn make(root: &Path) {
    let unfinished = root.with_extension(std::process::id().to_string());
    for (path, len) in files() {
        let file = unfinished.join(&path[1..]);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut contents = vec![0; len];
        Pcg64::seed_from_u64(hash(path.as_bytes())).fill_bytes(&mut contents);
        fs::write(file, contents).unwrap();
    }
    if fs::rename(&unfinished, root).is_err() {
        // Another process was faster.
        fs::remove_dir_all(&unfinished).unwrap();
    }
}

/// Path and bytes of every file.
fn files() -> Vec<(String, usize)> {
    let mut random = Pcg64::seed_from_u64(SEED);
    let small = (0..SMALL_FILES).map(|number| {
        let extension = EXTENSIONS[number % EXTENSIONS.len()];
        // Sizes spread evenly over the orders of magnitude, with the edges 0 and 1.
        let len = if number < 2 { number } else { 1 << random.random_range(3..17) };
        let len = len + if number < 2 { 0 } else { random.random_range(0..len) };
        (format!("/{}/{}/file-{number}.{extension}", number % 7, number % 31), len)
    });
    let small: Vec<_> = small.collect();
    let large = LARGE.iter().map(|len| (format!("/large/{}-mib.bin", len >> 20), *len));
    small.into_iter().chain(large).collect()
}

fn entry(root: &Path, path: String) -> Entry {
    let contents = fs::read(root.join(&path[1..])).unwrap();
    Entry { path, len: contents.len() as u64, hash: hash(&contents) }
}
