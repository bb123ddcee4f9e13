export * from './eager/dropout.ts';
export * from './eager/recurrent.ts';
