package io.sparkweld
package spark

import org.apache.spark.sql.catalyst.expressions.{Expression, NullIntolerant}

/** Marks expressions that are NULL when an operand is. */
trait NullPropagating extends NullIntolerant

/** Marks expressions that may raise. Spark 3 does not distinguish them. */
trait Throwing extends Expression
