import { extname } from 'node:path';
import { filesIn, nameOf } from '../data/index.ts';
import type { MediaKind } from './protocol.ts';

/** What browsers can be expected to play, by the file's ending. What they refuse, the page says. */
const TYPES: Readonly<Record<string, string>> = {
  '.mp4': 'video/mp4',
  '.m4v': 'video/mp4',
  '.mov': 'video/quicktime',
  '.webm': 'video/webm',
  '.mkv': 'video/x-matroska',
  '.ogv': 'video/ogg',
  '.avi': 'video/x-msvideo',
  '.mpg': 'video/mpeg',
  '.mpeg': 'video/mpeg',
  '.wav': 'audio/wav',
  '.mp3': 'audio/mpeg',
  '.m4a': 'audio/mp4',
  '.aac': 'audio/aac',
  '.flac': 'audio/flac',
  '.ogg': 'audio/ogg',
  '.oga': 'audio/ogg',
  '.opus': 'audio/ogg',
};

/** The endings of the files that are taken for recordings. */
const MEDIA_FILES = new RegExp(
  `\\.(${Object.keys(TYPES)
    .map((ending) => ending.slice(1))
    .join('|')})$`,
  'i',
);

export function mediaType(path: string): string {
  return TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream';
}

export function mediaKind(path: string | undefined): MediaKind {
  if (path === undefined) return null;
  return mediaType(path).startsWith('audio/') ? 'audio' : 'video';
}

/**
 * The recordings in a folder, by the id of the sequence that they are named like.
 *
 * @throws ERR_DATA where the folder is not there, or two files are of one sequence
 */
export function mediaIn(folder: string): Promise<Map<string, string>> {
  return filesIn(folder, MEDIA_FILES, nameOf);
}
