//! Images with boxes drawn on them, in a folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use cobasis_cli::Error;
use cobasis_data::boxes::{Detection, class_colour, draw, png};
use cobasis_data::{ImageSet, Target, read_image};
use cobasis_zoo::files::{FileError, can_write};

use crate::cli::detector::write;

/// Bytes of an image's name that its drawing's has; names of files have at most 255.
const STEM: usize = 200;

/// A folder of drawings.
pub(super) struct Drawings {
    /// The file of each image's drawing.
    paths: Vec<PathBuf>,
}

impl Drawings {
    /// Makes the folder, which must hold none of the images: they would be drawn over, or looked at the
    /// next time. Nor may it hold a file that a drawing is to be written to, unless drawings are to `replace`
    /// files.
    pub(super) fn in_folder<T: Target>(
        folder: &Path,
        images: &ImageSet<T>,
        replace: bool,
    ) -> Result<Self, Error> {
        // A link that leads nowhere is there too.
        if fs::symlink_metadata(folder).is_ok() && !folder.is_dir() {
            let folder = folder.display();
            return Err(Error::Usage(format!("--draw {folder}: exists and is no folder")));
        }
        fs::create_dir_all(folder).map_err(|error| FileError::new(folder, error))?;
        let place = |path: &Path| fs::canonicalize(path).ok();
        let here = place(folder);
        let files: Vec<String> = (0..images.len()).map(|index| images.describe(index)).collect();
        let held = files.iter().find(|file| {
            let parent = Path::new(file).parent().filter(|parent| !parent.as_os_str().is_empty());
            here.is_some() && place(parent.unwrap_or(Path::new("."))) == here
        });
        if let Some(file) = held {
            return Err(Error::Usage(format!(
                "--draw {}: holds {file}, which is to be looked at; give another folder",
                folder.display()
            )));
        }
        let paths: Vec<PathBuf> = names(&files).map(|name| folder.join(name)).collect();
        for path in &paths {
            let Ok(there) = fs::symlink_metadata(path) else { continue };
            let problem = match (there.is_symlink(), there.is_file()) {
                // It would lead out of the folder.
                (true, _) => "is a link; give another folder",
                (_, false) => "is no file; give another folder",
                (_, true) if !replace => "exists; give --force to replace it, or another folder",
                (_, true) => continue,
            };
            return Err(Error::Usage(format!("--draw: {}: {problem}", path.display())));
        }
        if let Some(Err(error)) = paths.first().map(|path| can_write(path)) {
            let folder = folder.display();
            return Err(Error::Usage(format!("--draw {folder}: cannot be written: {error}")));
        }
        Ok(Self { paths })
    }

    /// Draws what was found in the image of this index, which is in this file, in a PNG file of its name; a
    /// second image of this name gets a number. Gives the PNG file.
    pub(super) fn draw(
        &self,
        index: usize,
        file: &str,
        detections: &[Detection],
    ) -> Result<String, Error> {
        let mut image = read_image(Path::new(file))
            .map_err(|error| Error::Usage(format!("{file}: {error}")))?;
        // The best on top.
        for one in detections.iter().rev() {
            draw(&mut image, &one.rect, class_colour(one.class), Some(one.score));
        }
        let path = &self.paths[index];
        write(path, &png(&image))?;
        Ok(path.display().to_string())
    }
}

/// Names of drawings, of which no two are the same, for systems that tell no capitals either.
fn names(files: &[String]) -> impl Iterator<Item = String> {
    let mut taken = HashSet::new();
    files.iter().map(move |file| {
        let stem =
            Path::new(file).file_stem().map_or("image".into(), |stem| stem.to_string_lossy());
        let stem = &stem[..stem.floor_char_boundary(STEM)];
        let names = std::iter::once(format!("{stem}.png"))
            .chain((2..).map(|number| format!("{stem}-{number}.png")));
        let mut free = names.filter(|name| taken.insert(name.to_lowercase()));
        free.next().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_drawings_have_one_name() {
        let files = ["a/x.jpg", "b/x.png", "b/X.webp", "x-2.png", "y", "/z/..jpg"];
        let long = format!("a/{}.jpg", "é".repeat(120));
        let files: Vec<String> = files.map(String::from).into_iter().chain([long]).collect();
        let names: Vec<String> = names(&files).collect();
        assert_eq!(names[..6], ["x.png", "x-2.png", "X-3.png", "x-2-2.png", "y.png", "..png"]);
        assert_eq!(names[6].len(), 204);
    }
}
