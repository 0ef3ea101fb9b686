//! Spectrograms as pictures: which colour stands where, and what the axes say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cantus_eval::{
    ArtistClip, EvalError, Placement, SpectrogramLayout, SpectrogramView, spectrogram_grid_svg,
    spectrogram_svg,
};
use roxmltree::{Document, Node};

use crate::hostile_names::{all_text, assert_tame, hostile_labels, parse};

/// The middles of the paper's 128 bands: Slaney's mel scale from 0 to 8000 Hz.
fn paper_centres() -> Vec<f64> {
    let last = 15.0 + 8.0_f64.ln() / (6.4_f64.ln() / 27.0);
    let hz = |mel: f64| {
        if mel < 15.0 { mel * 200.0 / 3.0 } else { 1000.0 * 6.4_f64.powf((mel - 15.0) / 27.0) }
    };
    (1..=128).map(|band| hz(f64::from(band) * last / 129.0)).collect()
}

fn spectrogram<'a>(decibels: &'a [f32], centres: &'a [f64]) -> SpectrogramView<'a> {
    SpectrogramView {
        decibels,
        layout: SpectrogramLayout::TimeMajor,
        band_centres_hz: centres,
        seconds_per_frame: 0.032,
    }
}

fn draw(spectrogram: &SpectrogramView<'_>) -> String {
    spectrogram_svg(spectrogram, "A song", Placement::Standalone).unwrap()
}

fn of_class<'a>(document: &'a Document<'_>, class: &str) -> Vec<Node<'a, 'a>> {
    let is_of = |node: &Node<'_, '_>| {
        node.attribute("class").is_some_and(|all| all.split(' ').any(|one| one == class))
    };
    document.descendants().filter(is_of).collect()
}

/// An image's pixels, row by row from above: red, green, blue.
struct Pixels {
    width: usize,
    height: usize,
    rgb: Vec<[u8; 3]>,
}

impl Pixels {
    fn of(image: Node<'_, '_>) -> Self {
        let address = image.attribute("href").unwrap();
        let text = address.strip_prefix("data:image/png;base64,").unwrap();
        let bytes = STANDARD.decode(text).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        Self {
            width: info.width as usize,
            height: info.height as usize,
            rgb: rgb.as_chunks().0.to_vec(),
        }
    }

    /// How light the pixels are: the colours rise in it.
    fn lightness(&self) -> Vec<u32> {
        let of =
            |[r, g, b]: [u8; 3]| 2126 * u32::from(r) + 7152 * u32::from(g) + 722 * u32::from(b);
        self.rgb.iter().map(|&rgb| of(rgb)).collect()
    }
}

/// The pixels of the only image of a picture.
fn pixels(svg: &str) -> Pixels {
    let document = parse(svg);
    let images = of_class(&document, "spectrogram");
    assert_eq!(images.len(), 1);
    Pixels::of(images[0])
}

fn ticks(svg: &str, class: &str, axis: &str) -> Vec<(String, f64)> {
    let document = parse(svg);
    let at = |node: &Node<'_, '_>| node.attribute(axis).unwrap().parse().unwrap();
    of_class(&document, class)
        .iter()
        .map(|node| (node.text().unwrap().to_owned(), at(node)))
        .collect()
}

#[test]
fn the_lowest_band_is_below_time_goes_to_the_right_and_louder_is_lighter() {
    // Frame by frame; three bands, two frames.
    let svg = draw(&spectrogram(&[-60.0, -50.0, -40.0, -30.0, -20.0, -10.0], &[1e3, 2e3, 3e3]));
    let pixels = pixels(&svg);
    assert_eq!((pixels.width, pixels.height), (2, 3));
    let lightness = pixels.lightness();
    // From above: band 2 of both frames, band 1, band 0.
    let quietest_first = [4, 2, 0, 5, 3, 1];
    assert!(quietest_first.is_sorted_by_key(|&pixel| lightness[pixel]), "{lightness:?}");
    assert!(quietest_first.windows(2).all(|pair| lightness[pair[0]] < lightness[pair[1]]));
}

#[test]
fn both_layouts_of_one_spectrogram_are_one_picture() {
    let centres = [1e3, 2e3, 3e3];
    let time_major: Vec<f32> = (0..12).map(|index| -(index as f32).powi(2)).collect();
    let mel_major: Vec<f32> = (0..12).map(|index| time_major[index % 4 * 3 + index / 4]).collect();
    let clip = SpectrogramView {
        layout: SpectrogramLayout::MelMajor,
        ..spectrogram(&mel_major, &centres)
    };
    assert_eq!(draw(&clip), draw(&spectrogram(&time_major, &centres)));
}

#[test]
fn a_level_has_the_colour_that_stands_above_it_on_the_bar() {
    let levels: Vec<f32> = (0..=80).map(|index| index as f32 - 80.0).collect();
    let svg = draw(&spectrogram(&levels, &[1e3]));
    let document = parse(&svg);
    let bar = of_class(&document, "levels")[0];
    let width: f64 = bar.attribute("width").unwrap().parse().unwrap();
    let (bar, image) = (Pixels::of(bar), pixels(&svg));
    assert_eq!((bar.width, image.width), (256, 81));
    let marks = ticks(&svg, "level", "x");
    let texts: Vec<&str> = marks.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["-80", "-60", "-40", "-20", "0"]);
    for (text, at) in marks {
        let column = (at / width * 255.0).round() as usize;
        let frame = (text.parse::<f64>().unwrap() + 80.0) as usize;
        assert_eq!(bar.rgb[column], image.rgb[frame], "{text} dB");
    }
}

#[test]
fn what_is_80_decibels_under_the_loudest_is_as_dark_as_what_is_quieter() {
    let pixels = pixels(&draw(&spectrogram(&[-200.0, -80.0, -70.0, 0.0], &[1e3])));
    assert_eq!(pixels.rgb[0], pixels.rgb[1]);
    assert_ne!(pixels.rgb[1], pixels.rgb[2]);
}

#[test]
fn frequencies_stand_at_the_rows_of_their_bands() {
    let centres = paper_centres();
    let svg = draw(&spectrogram(&vec![0.0; 128 * 94], &centres));
    let marks = ticks(&svg, "frequency", "y");
    let texts: Vec<&str> = marks.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["8k", "4k", "2k", "1k", "500", "250"]);
    // 256 pixels of 128 bands; mel 0 and mel 129 of 129 lie half a row outside of them.
    for (text, at) in marks {
        let hz = text.replace('k', "000").parse::<f64>().unwrap();
        let mel = if hz < 1000.0 { hz * 0.015 } else { 15.0 + (hz / 1e3).log(6.4) * 27.0 };
        let rows = mel / (15.0 + 8.0_f64.log(6.4) * 27.0) * 129.0 - 0.5;
        let expected = (256.0 - rows * 2.0).max(0.0);
        assert!((at - expected).abs() < 0.2, "{text} at {at}, not at {expected}");
    }
}

#[test]
fn bands_between_two_octaves_are_named_by_their_own_frequencies() {
    let svg = draw(&spectrogram(&[0.0; 6], &[1100.0, 1200.0, 1300.4]));
    let texts: Vec<String> = ticks(&svg, "frequency", "y").into_iter().map(|tick| tick.0).collect();
    assert_eq!(texts, ["1300", "1100"]);
    let svg = draw(&spectrogram(&[0.0; 6], &[1100.0]));
    assert_eq!(ticks(&svg, "frequency", "y"), [("1100".to_owned(), 128.0)]);
}

#[test]
fn a_clips_times_are_seconds() {
    let svg = draw(&spectrogram(&[0.0; 94], &[1e3]));
    let expected: Vec<(String, f64)> = [0.0, 1.0, 2.0, 3.0]
        .map(|seconds: f64| {
            (format!("{seconds}"), (seconds / (94.0 * 0.032) * 3760.0).round() / 10.0)
        })
        .to_vec();
    assert_eq!(ticks(&svg, "time", "x"), expected);
    assert!(all_text(&parse(&svg)).contains("seconds"));
}

#[test]
fn a_songs_times_are_minutes_and_seconds() {
    // 4 minutes and 16 seconds, five frames a column.
    let svg = draw(&spectrogram(&vec![0.0; 8000], &[1e3]));
    let texts: Vec<String> = ticks(&svg, "time", "x").into_iter().map(|tick| tick.0).collect();
    let expected = ["0:00", "0:30", "1:00", "1:30", "2:00", "2:30", "3:00", "3:30", "4:00"];
    assert_eq!(texts, expected);
    assert!(all_text(&parse(&svg)).contains("the loudest of 5 a column"));
}

#[test]
fn a_long_song_has_a_column_for_several_frames_and_no_onset_is_lost() {
    let mut levels = vec![-60.0; 4001];
    levels[2999] = 0.0;
    let svg = draw(&spectrogram(&levels, &[1e3]));
    let pixels = pixels(&svg);
    assert_eq!(pixels.width, 1334, "of three frames, the last of two");
    let lightness = pixels.lightness();
    let loudest = (0..pixels.width).max_by_key(|&column| lightness[column]);
    assert_eq!(loudest, Some(999));
    let loud = lightness.iter().filter(|&&light| light > lightness[0]).count();
    assert_eq!(loud, 1);
}

#[test]
fn one_level_alone_is_drawn() {
    let svg = draw(&spectrogram(&[-80.0; 12], &[1e3, 2e3]));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(!ticks(&svg, "level", "x").is_empty());
}

#[test]
fn a_value_that_is_no_level_is_refused_by_frame_and_band() {
    for value in [f32::NAN, f32::INFINITY, -3e38] {
        let mut levels = [0.0; 12];
        levels[7] = value;
        let centres = [1e3, 2e3, 3e3];
        let time_major = spectrogram(&levels, &centres);
        let mel_major = SpectrogramView { layout: SpectrogramLayout::MelMajor, ..time_major };
        for (drawn, place) in [(time_major, (2, 1)), (mel_major, (3, 1))] {
            let error = spectrogram_svg(&drawn, "song", Placement::Inline).unwrap_err();
            let EvalError::SpectrogramValue { frame, band, .. } = error else {
                panic!("{error}");
            };
            assert_eq!((frame, band), place, "{value}");
        }
    }
}

#[test]
fn sizes_and_axes_that_do_not_fit_together_are_refused() {
    let sound = spectrogram(&[0.0; 6], &[1e3, 2e3]);
    let problem = |spectrogram: SpectrogramView<'_>| {
        let error = spectrogram_svg(&spectrogram, "song", Placement::Inline).unwrap_err();
        error.to_string()
    };
    let cases = [
        (SpectrogramView { decibels: &[], ..sound }, "0 values in 2 mel bands"),
        (SpectrogramView { decibels: &[0.0; 5], ..sound }, "5 values in 2 mel bands"),
        (SpectrogramView { band_centres_hz: &[], ..sound }, "6 values in 0 mel bands"),
        (
            SpectrogramView { band_centres_hz: &[2e3, 2e3], ..sound },
            "mel bands whose frequencies do not rise",
        ),
        (
            SpectrogramView { band_centres_hz: &[1e3, f64::NAN], ..sound },
            "mel bands whose frequencies do not rise",
        ),
        (SpectrogramView { seconds_per_frame: 0.0, ..sound }, "frames of 0 s"),
        (SpectrogramView { seconds_per_frame: f64::NAN, ..sound }, "frames of NaN s"),
    ];
    for (spectrogram, expected) in cases {
        assert_eq!(problem(spectrogram), format!("the spectrogram \"song\" has {expected}"));
    }
}

#[test]
fn a_spectrogram_under_a_hostile_title_is_well_formed_and_tame() {
    for title in hostile_labels() {
        let sound = spectrogram(&[0.0; 6], &[1e3, 2e3]);
        let svg = spectrogram_svg(&sound, &title, Placement::Standalone).unwrap();
        assert_tame(&parse(&svg), 0);
    }
}

#[test]
fn a_grid_has_a_panel_and_both_names_of_each_artist_however_hostile() {
    let names = hostile_labels();
    let centres = paper_centres();
    let levels: Vec<f32> = (0..128 * 20).map(|index| -((index % 80) as f32)).collect();
    let clips: Vec<ArtistClip<'_>> = names
        .iter()
        .zip(names.iter().rev())
        .map(|(artist, song)| ArtistClip {
            artist,
            song,
            spectrogram: spectrogram(&levels, &centres),
        })
        .collect();
    let svg = spectrogram_grid_svg(&clips, &names[0], Placement::Inline).unwrap();
    assert_eq!(svg, spectrogram_grid_svg(&clips, &names[0], Placement::Inline).unwrap());
    let document = parse(&svg);
    assert_tame(&document, 0);
    assert_eq!(of_class(&document, "spectrogram").len(), names.len());
    let long = &names[7];
    for class in ["artist", "song"] {
        let shown = of_class(&document, class);
        assert_eq!(shown.len(), names.len());
        let title =
            |node: &Node<'_, '_>| node.first_element_child().unwrap().text().unwrap() == long;
        let cut = shown.into_iter().find(title).expect("the whole name as its title");
        let text = cut.last_child().unwrap().text().unwrap();
        assert!(text.contains('…') && text.chars().count() <= 22, "{text}");
    }
}

#[test]
fn of_a_long_path_the_end_is_shown_and_of_a_long_name_the_start() {
    let clip =
        |song| ArtistClip { artist: "Ann", song, spectrogram: spectrogram(&[0.0; 94], &[1e3]) };
    let clips =
        [clip("An artist/An album/01 A song.mp3"), clip("A song whose name is no path at all")];
    let svg = spectrogram_grid_svg(&clips, "t", Placement::Inline).unwrap();
    let document = parse(&svg);
    let shown: Vec<&str> = of_class(&document, "song")
        .iter()
        .map(|song| song.last_child().unwrap().text().unwrap())
        .collect();
    assert_eq!(shown, ["…n album/01 A song.mp3", "A song whose name is…"]);
}

#[test]
fn the_clips_of_a_grid_share_one_scale_and_their_axis_of_time() {
    let (loud, quiet) = ([0.0, -10.0, -20.0, -30.0], [-30.0, -40.0]);
    let clip = |decibels| ArtistClip {
        artist: "Ann",
        song: "Song",
        spectrogram: spectrogram(decibels, &[1e3]),
    };
    let clips = [clip(&loud[..]), clip(&quiet[..])];
    let svg = spectrogram_grid_svg(&clips, "t", Placement::Inline).unwrap();
    let document = parse(&svg);
    let images = of_class(&document, "spectrogram");
    let [loud, quiet] = [Pixels::of(images[0]), Pixels::of(images[1])];
    assert_eq!(loud.rgb[3], quiet.rgb[0], "-30 dB in both");
    let width = |image: &Node<'_, '_>| image.attribute("width").unwrap().parse::<f64>().unwrap();
    assert!((width(&images[0]) - 2.0 * width(&images[1])).abs() < 1e-9);
}

#[test]
fn twenty_artists_stand_in_four_rows_of_five() {
    let clip =
        ArtistClip { artist: "Ann", song: "Song", spectrogram: spectrogram(&[0.0; 94], &[1e3]) };
    let svg = spectrogram_grid_svg(&[clip; 20], "t", Placement::Inline).unwrap();
    let document = parse(&svg);
    let places: Vec<&str> = of_class(&document, "spectrogram")
        .iter()
        .map(|image| image.parent().unwrap().attribute("transform").unwrap())
        .collect();
    let mut rows: Vec<&str> = places.iter().map(|place| place.split_once(' ').unwrap().1).collect();
    assert!(rows.chunks(5).all(|row| row.iter().all(|y| *y == row[0])), "{places:?}");
    rows.dedup();
    assert_eq!(rows.len(), 4);
    // Times are named where no panel is below, frequencies in the first column.
    assert_eq!(of_class(&document, "time").len(), 5 * 4);
    assert_eq!(of_class(&document, "frequency").len(), 4);
}

#[test]
fn times_are_named_below_every_column_of_a_grid_whose_last_row_is_short() {
    let clip =
        ArtistClip { artist: "Ann", song: "Song", spectrogram: spectrogram(&[0.0; 94], &[1e3]) };
    let svg = spectrogram_grid_svg(&[clip; 3], "t", Placement::Inline).unwrap();
    let document = parse(&svg);
    let panels: Vec<&str> = of_class(&document, "time")
        .iter()
        .map(|time| time.parent().unwrap().attribute("transform").unwrap())
        .collect();
    // 0, 1, 2, 3 seconds under the second panel and under the third.
    assert_eq!(panels.len(), 8);
    let (second, third) = panels.split_at(4);
    let x = |panel: &str| panel.split_once(' ').unwrap().0.to_owned();
    assert!(second.iter().all(|panel| x(panel) != x(third[0])), "{panels:?}");
}

#[test]
fn a_grid_of_no_clips_says_so() {
    let svg = spectrogram_grid_svg(&[], "t", Placement::Inline).unwrap();
    assert!(all_text(&parse(&svg)).contains("no spectrograms yet"));
}

#[test]
fn a_grid_names_the_song_whose_axes_are_not_the_others() {
    let clip = |song, centres| ArtistClip {
        artist: "Ann",
        song,
        spectrogram: spectrogram(&[0.0; 6], centres),
    };
    let clips = [clip("One", &[1e3, 2e3]), clip("Two", &[1e3, 2.1e3])];
    let error = spectrogram_grid_svg(&clips, "t", Placement::Inline).unwrap_err();
    let expected = "the spectrogram \"Ann: Two\" has other mel bands than the first";
    assert_eq!(error.to_string(), expected);
}
