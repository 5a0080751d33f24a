/** What is loaded when it is needed: imported by its name, so that a bundle gets no more of the package. */
export { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
