/** The version of this package, as written to checkpoints and reports. */
export const version = '0.1.0';
