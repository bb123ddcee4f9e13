export { CircumplexError, type CircumplexErrorCode } from './errors.ts';
