export * from '../../video/media-file.ts';
