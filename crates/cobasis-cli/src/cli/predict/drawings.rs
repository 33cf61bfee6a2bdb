//! Images with boxes drawn on them, in a folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use cobasis_cli::Error;
use cobasis_data::boxes::{Detection, class_colour, draw, png};
use cobasis_data::{ImageSet, Target, read_image};
use cobasis_zoo::files::FileError;

use crate::cli::detector::write;

/// Bytes of an image's name that its drawing's has; names of files have at most 255.
const STEM: usize = 200;

/// A folder of drawings.
pub(super) struct Drawings {
    folder: PathBuf,
    /// Names that are taken, as systems see them that tell no capitals.
    taken: HashSet<String>,
}

impl Drawings {
    /// Makes the folder, which must hold none of the images: they would be drawn over, or looked at the
    /// next time.
    pub(super) fn in_folder<T: Target>(folder: &Path, images: &ImageSet<T>) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|error| FileError::new(folder, error))?;
        let place = |path: &Path| fs::canonicalize(path).ok();
        let here = place(folder);
        let held = (0..images.len()).map(|index| images.describe(index)).find(|file| {
            let parent = Path::new(file).parent().filter(|parent| !parent.as_os_str().is_empty());
            here.is_some() && place(parent.unwrap_or(Path::new("."))) == here
        });
        if let Some(file) = held {
            return Err(Error::Usage(format!(
                "--draw {}: holds {file}, which is to be looked at; give another folder",
                folder.display()
            )));
        }
        Ok(Self { folder: folder.to_owned(), taken: HashSet::new() })
    }

    /// Draws what was found in an image, in a PNG file of its name; a second image of this name gets a
    /// number. Gives the file.
    pub(super) fn draw(&mut self, file: &str, detections: &[Detection]) -> Result<String, Error> {
        let mut image = read_image(Path::new(file))
            .map_err(|error| Error::Usage(format!("{file}: {error}")))?;
        // The best on top.
        for one in detections.iter().rev() {
            draw(&mut image, &one.rect, class_colour(one.class), Some(one.score));
        }
        let name = self.name(file);
        let path = self.folder.join(name);
        // A link would lead out of the folder.
        if fs::symlink_metadata(&path).is_ok_and(|there| there.is_symlink()) {
            let path = path.display();
            return Err(Error::Usage(format!("{path}: is a link; give another folder to --draw")));
        }
        write(&path, &png(&image))?;
        Ok(path.display().to_string())
    }

    /// A name that no other drawing has.
    fn name(&mut self, file: &str) -> String {
        let stem =
            Path::new(file).file_stem().map_or("image".into(), |stem| stem.to_string_lossy());
        let stem = &stem[..stem.floor_char_boundary(STEM)];
        let names = std::iter::once(format!("{stem}.png"))
            .chain((2..).map(|number| format!("{stem}-{number}.png")));
        let mut free = names.filter(|name| self.taken.insert(name.to_lowercase()));
        free.next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_drawings_have_one_name() {
        let mut drawings = Drawings { folder: PathBuf::new(), taken: HashSet::new() };
        let files = ["a/x.jpg", "b/x.png", "b/X.webp", "x-2.png", "y", "/z/..jpg"];
        let names = files.map(|file| drawings.name(file));
        assert_eq!(names, ["x.png", "x-2.png", "X-3.png", "x-2-2.png", "y.png", "..png"]);
        let long = drawings.name(&format!("a/{}.jpg", "é".repeat(120)));
        assert_eq!(long.len(), 204);
    }
}
